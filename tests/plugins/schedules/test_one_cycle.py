"""The one-cycle schedule."""

from __future__ import annotations

from math import pi, sin

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dtrain_plugins.schedules.one_cycle import OneCycle
from tests.plugins.support import message_of


def test_corners():
    part = OneCycle()
    assert part(0, 100, 0.0) == pytest.approx(1 / 25)
    assert part(30, 100, 0.0) == 1
    assert part(100, 100, 0.0) == pytest.approx(1 / 250000, rel=1e-9)
    assert part(15, 100, 0.0) == pytest.approx((1 + 1 / 25) / 2)
    assert part(65, 100, 0.0) == pytest.approx((1 + 1 / 250000) / 2)
    assert OneCycle()(0, 0, 0.0) == pytest.approx(1 / 25)
    assert part.state() == {}


def test_linear():
    part = OneCycle(0.2, 0.0, 0.5, "linear")
    assert [part(t, 8, 0.0) for t in range(9)] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1, 0.75, 0.5, 0.25, 0])


@settings(deadline=None)
@given(st.floats(0, 2), st.floats(0, 2), st.floats(0.05, 0.95), st.integers(1, 10**5), st.data())
def test_rises_and_falls_along_half_cosines(start, end, rise, steps, data):
    t = data.draw(st.integers(0, steps)) / steps
    part = OneCycle(start, end, rise)
    # (1 − cos a)/2 = sin²(a/2)
    if t < rise:
        expected = start + (1 - start) * sin(pi * t / rise / 2) ** 2
    else:
        expected = 1 + (end - 1) * sin(pi * (t - rise) / (1 - rise) / 2) ** 2
    assert part(round(t * steps), steps, 0.0) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("shape", ["cosine", "linear"])
def test_is_monotone_on_both_sides_of_its_peak(shape):
    factors = [OneCycle(shape=shape)(t, 50, 0.0) for t in range(51)]
    assert factors[:16] == sorted(factors[:16])
    assert factors[15:] == sorted(factors[15:], reverse=True)
    assert len(set(factors)) == 51


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"start": -0.1}, "start must be at least 0, got -0.1"),
        ({"end": -1.0}, "end must be at least 0, got -1.0"),
        ({"rise": 0.0}, "rise must be in (0, 1), got 0.0"),
        ({"rise": 1.0}, "rise must be in (0, 1), got 1.0"),
    ],
)
def test_refuses_options_out_of_range(options, message):
    assert message_of(ValueError, lambda: OneCycle(**options)) == message
