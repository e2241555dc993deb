"""What the losses ask of targets, in one wording. Each raises ValueError."""

from __future__ import annotations

from math import prod

import numpy as np

from dtrain import Array, Shape


def check_numbers(name: str, target: Array | None, shape: Shape) -> Array:
    """Returns the targets if there is one number for each output; (rows,) will do for a single output."""
    if target is None:
        raise ValueError(f"{name} needs a target for every sample; the data has none")
    if target.shape[1:] != shape and not (target.ndim == 1 and prod(shape) == 1):
        raise ValueError(f"the network gives {shape} a sample, but a target has shape {target.shape[1:]}")
    return target


def check_range(name: str, target: Array, what: str, low: float, high: float = float("inf")) -> None:
    """Refuses targets outside [low, high]. what: how the message calls the range."""
    if target.size and not (target.min() >= low and target.max() <= high):
        bad = target.max() if target.min() >= low else target.min()
        raise ValueError(f"{name} takes {what}, but a target is {bad}; mend the data")


def check_signs(name: str, target: Array) -> None:
    """Refuses targets that are neither −1 and 1 nor 0 and 1."""
    odd = target[(target != 1) & (target != 0) & (target != -1)]
    if odd.size:
        raise ValueError(
            f"{name} takes targets -1 and 1, or 0 and 1, but a target is {odd[0]}; mend the data"
        )
    if (target == -1).any() and (target == 0).any():
        raise ValueError(
            f"{name} takes targets -1 and 1, or 0 and 1, got -1, 0 and 1 together; mend the data"
        )


def is_soft(target: Array) -> bool:
    """Tells whether targets are distributions over classes: real numbers, not whole ones."""
    return target.dtype.kind in "fc"


def check_distributions(name: str, target: Array, shape: Shape) -> None:
    """Refuses targets that are no distribution over the classes for each place of outputs (…, K)."""
    if not shape or target.shape[1:] != shape:
        raise ValueError(
            f"{name} takes classes, whole numbers, or distributions over them, of the network's shape {shape}, "
            f"got targets of {target.dtype} and shape {target.shape[1:]}"
        )
    check_range(name, target, "distributions, of probabilities at least 0", 0)
    totals = target.sum(axis=-1).reshape(-1)
    off = ~(np.abs(totals - 1) <= 1e-3)
    if off.any():
        raise ValueError(
            f"{name} takes distributions, which add up to 1 to within 0.001, but a target adds up to "
            f"{totals[off.argmax()]:.6g}; mend the data"
        )


def check_classes(name: str, target: Array | None, shape: Shape) -> None:
    """Refuses targets that are no class 0 … K−1 for each place of outputs (…, K)."""
    if target is None:
        raise ValueError(f"{name} needs a class for every sample; the data has no targets")
    if target.dtype.kind not in "iu":
        raise ValueError(f"{name} takes classes, whole numbers, got targets of {target.dtype}")
    if not shape:
        raise ValueError(f"{name} takes one output a class, got a network that gives () a sample")
    if target.shape[1:] != shape[:-1]:
        raise ValueError(
            f"the network gives {shape} a sample, which takes targets of shape {shape[:-1]}, "
            f"got {target.shape[1:]}"
        )
    if target.size and not (target.min() >= 0 and target.max() < shape[-1]):
        bad = target.min() if target.min() < 0 else target.max()
        raise ValueError(
            f"the network has {shape[-1]} outputs, for classes 0 to {shape[-1] - 1}, "
            f"but a target is {bad}; mend the data, or give the last layer more units"
        )
