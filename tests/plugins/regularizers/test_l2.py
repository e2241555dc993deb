"""The L2 penalty."""

from __future__ import annotations

from math import fsum

import numpy as np
import pytest

from dtrain_plugins.regularizers.l2 import L2
from tests.plugins.support import message_of

VALUE = np.random.Generator(np.random.Philox(5)).standard_normal(40)


def test_is_the_weighted_sum_of_squares_without_a_half():
    assert L2(0.3).penalty(VALUE) == pytest.approx(0.3 * fsum(float(v) ** 2 for v in VALUE), rel=1e-14)
    assert L2(0.3).penalty(np.array([3.0, 4.0])) == pytest.approx(7.5)
    assert type(L2(0.3).penalty(VALUE.astype(np.float32))) is float
    assert L2().weight == 1e-4


def test_penalties_of_pieces_add_up():
    whole = L2(0.3).penalty(VALUE)
    assert fsum(L2(0.3).penalty(piece) for piece in np.split(VALUE, [1, 1, 17])) == pytest.approx(
        whole, rel=1e-14
    )
    assert L2().penalty(VALUE[:0]) == 0


@pytest.mark.parametrize("weight", [1e-4, 0.7])
def test_adds_the_derivative_of_the_penalty(weight):
    l2, out = L2(weight), np.full(40, 5.0)
    l2.gradient(VALUE, out)
    for i in range(40):
        up, down = VALUE.copy(), VALUE.copy()
        up[i] += 0.5  # the penalty is a parabola: differences are exact for any width
        down[i] -= 0.5
        assert out[i] - 5 == pytest.approx(l2.penalty(up) - l2.penalty(down), abs=1e-12)


def test_keeps_float32_and_its_input():
    value, out = VALUE.astype(np.float32), np.zeros(40, np.float32)
    value.setflags(write=False)
    L2(0.25).gradient(value, out)
    assert out.dtype == np.float32
    assert (out == value / 2).all()


def test_weight_0_is_no_penalty():
    out = np.ones(40)
    L2(0.0).gradient(VALUE, out)
    assert (out == 1).all()
    assert L2(0.0).penalty(VALUE) == 0


def test_refuses_a_negative_weight():
    assert message_of(ValueError, lambda: L2(-1.0)) == "weight must be at least 0, got -1.0"
