"""The ranges that options of parts have in common, and how an error names them."""

from __future__ import annotations


def positive(**options: float) -> None:
    """Raises ValueError for the first option that is not > 0."""
    for name, value in options.items():
        if not value > 0:
            raise ValueError(f"{name} must be positive, got {value}")


def not_negative(**options: float) -> None:
    """Raises ValueError for the first option that is not ≥ 0."""
    for name, value in options.items():
        if not value >= 0:
            raise ValueError(f"{name} must be at least 0, got {value}")


def at_least_one(**options: float) -> None:
    """Raises ValueError for the first option that is not ≥ 1."""
    for name, value in options.items():
        if not value >= 1:
            raise ValueError(f"{name} must be at least 1, got {value}")


def share(**options: float) -> None:
    """Raises ValueError for the first option that is not in [0, 1]."""
    for name, value in options.items():
        if not 0 <= value <= 1:
            raise ValueError(f"{name} must be in [0, 1], got {value}")


def below_one(**options: float) -> None:
    """Raises ValueError for the first option that is not in [0, 1)."""
    for name, value in options.items():
        if not 0 <= value < 1:
            raise ValueError(f"{name} must be in [0, 1), got {value}")


def above_zero(**options: float) -> None:
    """Raises ValueError for the first option that is not in (0, 1]."""
    for name, value in options.items():
        if not 0 < value <= 1:
            raise ValueError(f"{name} must be in (0, 1], got {value}")


def between(**options: float) -> None:
    """Raises ValueError for the first option that is not in (0, 1)."""
    for name, value in options.items():
        if not 0 < value < 1:
            raise ValueError(f"{name} must be in (0, 1), got {value}")
