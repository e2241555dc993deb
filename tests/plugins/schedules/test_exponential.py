"""The exponential schedule."""

from __future__ import annotations

from math import e, log

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dtrain_plugins.schedules.exponential import Exponential
from tests.plugins.support import message_of


def test_ends_at_one_over_e_by_default():
    assert Exponential()(0, 50, 0.0) == 1
    assert Exponential()(25, 50, 0.0) == pytest.approx(e**-0.5)
    assert Exponential()(50, 50, 0.0) == pytest.approx(1 / e)
    assert Exponential()(0, 0, 0.0) == 1


def test_a_time_of_its_own_does_not_depend_on_the_length_of_the_run():
    for t in range(20):
        assert Exponential(4 / log(2))(t, 10 * t + 1, 0.0) == pytest.approx(0.5 ** (t / 4))
    assert Exponential().state() == {}


@settings(deadline=None)
@given(st.floats(1e-3, 1e6), st.integers(0, 10**6), st.integers(0, 10**6))
def test_equal_times_have_equal_factors(time, a, b):
    part = Exponential(time)
    assert part(a + b, 7, 0.0) == pytest.approx(part(a, 7, 0.0) * part(b, 7, 0.0), rel=1e-6, abs=1e-300)
    assert 0 <= part(a + b, 7, 0.0) <= part(a, 7, 0.0) <= 1


@pytest.mark.parametrize("time", [0.0, -3.0])
def test_refuses_a_time_that_is_not_positive(time):
    assert message_of(ValueError, lambda: Exponential(time)) == f"time must be positive, got {time}"
