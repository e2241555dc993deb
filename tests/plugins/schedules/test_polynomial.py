"""The polynomial schedule."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dtrain_plugins.schedules.linear import Linear
from dtrain_plugins.schedules.polynomial import Polynomial
from tests.plugins.support import message_of


@pytest.mark.parametrize("power", [1, 2, 3])
@pytest.mark.parametrize("end", [0, 0.25, 1])
def test_is_the_power_of_what_is_left(power, end):
    for t in range(11):
        expected = Fraction(end) + (1 - Fraction(end)) * Fraction(10 - t, 10) ** power
        assert Polynomial(power, end)(t, 10, 0.0) == pytest.approx(float(expected), abs=1e-15)


def test_defaults_and_corners():
    assert [Polynomial()(t, 4, 0.0) for t in range(5)] == [1, 9 / 16, 4 / 16, 1 / 16, 0]
    assert Polynomial()(0, 0, 0.0) == 1
    assert Polynomial().state() == {}


@settings(deadline=None)
@given(st.floats(0.01, 20), st.floats(0, 1), st.integers(1, 10**6), st.data())
def test_falls_from_1_to_the_end(power, end, steps, data):
    t = data.draw(st.integers(0, steps))
    factor = Polynomial(power, end)(t, steps, 0.0)
    assert isinstance(factor, float)
    assert end <= factor <= 1 + 1e-15
    assert t == 0 or factor <= Polynomial(power, end)(t - 1, steps, 0.0) + 1e-15
    assert Polynomial(1, end)(t, steps, 0.0) == pytest.approx(Linear(end)(t, steps, 0.0), abs=1e-12)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"power": 0.0}, "power must be positive, got 0.0"),
        ({"end": 1.1}, "end must be in [0, 1], got 1.1"),
    ],
)
def test_refuses_options_out_of_range(options, message):
    assert message_of(ValueError, lambda: Polynomial(**options)) == message
