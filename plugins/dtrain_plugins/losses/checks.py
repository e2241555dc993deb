"""What the losses ask of the values of targets, in one wording. Each raises ValueError."""

from __future__ import annotations

from math import inf

import numpy as np

from dtrain import Target


def check_range(target: Target, what: str, low: float, high: float = inf) -> None:
    """Refuse targets outside [low, high]. what: how the message calls the range."""
    if not (target.low >= low and target.high <= high):
        bad = target.high if target.low >= low else target.low
        raise ValueError(f"expected {what}, but a target is {bad}; correct the data")


def check_signs(target: Target) -> None:
    """Refuse labels that are neither of two values."""
    if target.values.dtype.kind == "f":
        others = target.values[~np.isin(target.values, (-1, 0, 1))]
        if others.size:
            raise ValueError(
                f"expected labels of two values, -1 and 1 or 0 and 1, but a target is {others[0]}; correct the data"
            )
