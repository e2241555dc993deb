"""The cases under which every optimizer is compared with its paper."""

from __future__ import annotations

import numpy as np
import pytest

from tests.plugins.optimizers.support import START, Pad, updated

dtypes = pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-10), (np.float32, 1e-5)])
rates = pytest.mark.parametrize(
    "rates", [None, [0.1 / t for t in range(1, 51)]], ids=["fixed", "falling"]
)  # fmt: skip


def start():
    """The start, as Python floats."""
    return [float(v) for v in START]


def zeros():
    return [0.0] * len(START)


def first_step(optimizer, gradient, role="weight", value=None):
    """The value and the slots after one update of zeros (or `value`)."""
    gradient = np.array(gradient, float)
    value = np.zeros(len(gradient)) if value is None else np.array(value, float)
    pad = Pad(np.float64, 1)
    pad.role = role
    slots = [np.zeros(len(gradient)) for _ in optimizer.slots]
    updated(optimizer, value, gradient, pad, slots)
    return value, slots


def later_step(optimizer, gradient, slots, step, value=None):
    """The value after update number `step`, from these slots, which change."""
    gradient = np.array(gradient, float)
    value = np.zeros(len(gradient)) if value is None else np.array(value, float)
    updated(optimizer, value, gradient, Pad(np.float64, step), slots)
    return value
