"""Cyclical schedules."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dtrain_plugins.schedules.cyclic import Cyclic
from tests.plugins.support import message_of


def height(t, half):
    """The triangle wave without its formula: how far t is from the nearest bottom, in half cycles."""
    return min(t % (2 * half), -t % (2 * half)) / half


def test_goes_up_and_down_fourfold_by_default():
    assert [Cyclic(3)(t, 99, 0.0) for t in range(13)] == pytest.approx(
        [1, 2, 3, 4, 3, 2, 1, 2, 3, 4, 3, 2, 1], abs=1e-12
    )
    assert Cyclic(3).gamma == 0.99994
    assert Cyclic(3).state() == {}


@settings(deadline=None)
@given(st.integers(1, 1000), st.floats(1, 100), st.integers(0, 5000))
def test_each_mode_has_the_height_of_the_paper(half, ratio, t):
    rise = (ratio - 1) * height(t, half)
    cases = [("triangular", 1), ("triangular2", 0.5 ** (t // (2 * half))), ("exp_range", 0.999**t)]
    for mode, scale in cases:
        factor = Cyclic(half, ratio, mode, 0.999)(t, 1, 0.0)
        assert factor == pytest.approx(1 + rise * scale, rel=1e-9)
        assert 1 <= factor <= ratio * (1 + 1e-12)


def test_the_peaks():
    peaks = [5, 15, 25]
    assert [Cyclic(5, 9.0)(t, 1, 0.0) for t in peaks] == pytest.approx([9, 9, 9])
    assert [Cyclic(5, 9.0, "triangular2")(t, 1, 0.0) for t in peaks] == pytest.approx([9, 5, 3])
    assert [Cyclic(5, 9.0, "exp_range", 0.9)(t, 1, 0.0) for t in peaks] == pytest.approx(
        [1 + 8 * 0.9**t for t in peaks]
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"half_cycle": 0}, "half_cycle must be at least 1, got 0"),
        ({"half_cycle": 5, "ratio": 0.5}, "ratio must be at least 1, got 0.5"),
        ({"half_cycle": 5, "gamma": 0.0}, "gamma must be in (0, 1], got 0.0"),
        ({"half_cycle": 5, "gamma": 1.5}, "gamma must be in (0, 1], got 1.5"),
    ],
)
def test_refuses_options_out_of_range(options, message):
    assert message_of(ValueError, lambda: Cyclic(**options)) == message
