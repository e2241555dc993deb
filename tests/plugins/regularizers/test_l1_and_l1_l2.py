"""The L1 penalty, and L1 and L2 together."""

from __future__ import annotations

from math import copysign, fsum

import numpy as np
import pytest

from dtrain_plugins.regularizers.l1 import L1
from dtrain_plugins.regularizers.l1_l2 import L1L2
from tests.plugins.support import message_of

VALUE = np.random.Generator(np.random.Philox(5)).standard_normal(40)
PARTS = [(L1(0.3), 0.3, 0.0), (L1L2(0.3, 0.7), 0.3, 0.7), (L1L2(l2=0.7, l1=0.0), 0.0, 0.7)]
every = pytest.mark.parametrize(("part", "l1", "l2"), PARTS)


def test_weights_by_default():
    assert L1().weight == L1L2().l1 == L1L2().l2 == 1e-4


@every
def test_is_the_weighted_sum_of_magnitudes_and_squares(part, l1, l2):
    expected = fsum(l1 * abs(float(v)) + l2 * float(v) ** 2 for v in VALUE)
    assert part.penalty(VALUE) == pytest.approx(expected, rel=1e-14)
    assert part.penalty(VALUE.astype(np.float32)) == pytest.approx(expected, rel=1e-6)
    assert type(part.penalty(VALUE.astype(np.float32))) is float
    pieces = fsum(part.penalty(piece) for piece in np.split(VALUE, [1, 1, 17]))
    assert pieces == pytest.approx(expected, rel=1e-14)
    assert part.penalty(VALUE[:0]) == 0


@every
def test_adds_the_derivative_of_the_penalty(part, l1, l2):
    out = np.full(40, 5.0)
    part.gradient(VALUE, out)
    for i in range(40):
        up, down = VALUE.copy(), VALUE.copy()
        step = min(0.5, abs(VALUE[i]))  # up to the kink: differences of lines and parabolas are exact
        up[i] += step
        down[i] -= step
        assert out[i] - 5 == pytest.approx((part.penalty(up) - part.penalty(down)) / (2 * step), abs=1e-11)
        assert out[i] - 5 == pytest.approx(copysign(l1, VALUE[i]) + 2 * l2 * VALUE[i], abs=1e-14)


@every
def test_keeps_float32_and_leaves_zeros_alone(part, l1, l2):
    value, out = np.array([0, 2, -1e4, -0.0], np.float32), np.zeros(4, np.float32)
    value.setflags(write=False)
    part.gradient(value, out)
    assert out.dtype == np.float32
    assert out == pytest.approx([0, l1 + 4 * l2, -l1 - 2e4 * l2, 0], rel=1e-6)


def test_refuses_negative_weights():
    assert message_of(ValueError, lambda: L1(-1.0)) == "weight must be at least 0, got -1.0"
    assert message_of(ValueError, lambda: L1L2(l1=-1.0)) == "l1 must be at least 0, got -1.0"
    assert message_of(ValueError, lambda: L1L2(l2=-2.0)) == "l2 must be at least 0, got -2.0"
