"""The linear schedule."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dtrain_plugins.schedules.linear import Linear
from tests.plugins.support import message_of


def test_is_the_formula_of_a_fall_to_zero_by_default():
    assert [Linear()(t, 8, 0.0) for t in range(9)] == [1, 7 / 8, 6 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8, 0]


@settings(deadline=None)
@given(st.floats(0, 1), st.integers(1, 10**6), st.data())
def test_lies_on_the_line_from_1_to_the_end(end, steps, data):
    t = data.draw(st.integers(0, steps))
    factor = Linear(end)(t, steps, 0.0)
    assert factor == pytest.approx((steps - t) / steps + end * t / steps, abs=1e-12)
    assert end - 1e-12 <= factor <= 1
    assert t == 0 or factor <= Linear(end)(t - 1, steps, 0.0)


def test_corners():
    assert (Linear(0.25)(0, 10, 0.0), Linear(0.25)(10, 10, 0.0)) == (1, 0.25)
    assert Linear(0.25)(0, 1, 0.0) == Linear()(0, 0, 0.0) == 1
    assert Linear().state() == {}


@pytest.mark.parametrize("end", [-0.1, 1.5, float("nan")])
def test_refuses_an_end_that_is_no_fraction(end):
    assert message_of(ValueError, lambda: Linear(end)) == f"end must be in [0, 1], got {end}"
