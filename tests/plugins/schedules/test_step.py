"""The step schedule."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dtrain_plugins.schedules.step import Step
from tests.plugins.support import message_of


def test_falls_by_a_tenth_by_default():
    factors = [Step(3)(t, 9, 0.0) for t in range(9)]
    assert factors == pytest.approx([1, 1, 1, 0.1, 0.1, 0.1, 0.01, 0.01, 0.01])
    assert Step(3).state() == {}


@settings(deadline=None)
@given(st.integers(1, 1000), st.floats(0.8, 1), st.integers(0, 2000))
def test_multiplies_at_the_multiples_and_nowhere_else(every, factor, t):
    part = Step(every, factor)
    ratio = part(t + 1, 1, 0.0) / part(t, 1, 0.0)
    assert ratio == pytest.approx(factor if (t + 1) % every == 0 else 1, rel=1e-9)
    assert isinstance(part(t, 1, 0.0), float)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"every": 0}, "every must be at least 1, got 0"),
        ({"every": 5, "factor": 0.0}, "factor must be in (0, 1], got 0.0"),
        ({"every": 5, "factor": 2.0}, "factor must be in (0, 1], got 2.0"),
    ],
)
def test_refuses_options_out_of_range(options, message):
    assert message_of(ValueError, lambda: Step(**options)) == message


def test_a_factor_too_small_for_a_number_is_zero():
    assert Step(1)(400, 1000, 0.0) == 0
