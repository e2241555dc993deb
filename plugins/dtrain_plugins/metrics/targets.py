"""What the metrics of classes make of targets."""

from __future__ import annotations

import numpy as np

from dtrain import Array


def is_soft(y: Array, target: Array) -> bool:
    """Tells whether targets are distributions over the K > 1 outputs of a place, not classes."""
    return target.dtype.kind == "f" and target.shape == y.shape and y.shape[-1] > 1


def classes_of(y: Array, target: Array) -> Array:
    """Returns the class of each place, (rows, …), int64: of a distribution the first most probable one."""
    if is_soft(y, target):
        return target.argmax(axis=-1)
    return target.astype(np.int64)
