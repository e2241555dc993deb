"""The warm-up."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dtrain import Schedule
from dtrain_plugins.schedules.linear import Linear
from dtrain_plugins.schedules.plateau import Plateau
from dtrain_plugins.schedules.warmup import Warmup
from tests.plugins.support import built, message_of


class Spy(Schedule):
    """Returns what it is asked."""

    def __call__(self, step, steps, epoch):
        return step, steps, epoch


def test_rises_along_a_line_and_stays():
    assert [Warmup(4)(t, 9, 0.0) for t in range(7)] == [0.25, 0.5, 0.75, 1, 1, 1, 1]
    assert [Warmup(4, 0.5)(t, 9, 0.0) for t in range(5)] == [0.625, 0.75, 0.875, 1, 1]
    assert Warmup(1)(0, 9, 0.0) == 1
    assert Warmup(4).state() == {}


@settings(deadline=None)
@given(st.integers(1, 1000), st.floats(0, 1), st.integers(0, 1000))
def test_its_steps_are_even(length, start, t):
    part = Warmup(length, start)
    now, before = part(t, 1, 0.0), part(t - 1, 1, 0.0) if t else start
    assert now - before == pytest.approx((1 - start) / length if t < length else 0, abs=1e-12)
    assert start <= now <= 1 + 1e-15


def test_what_follows_runs_from_its_own_beginning_to_the_end_of_the_run():
    part = Warmup(3, then=Spy())
    assert part(2, 10, 0.4) == 1
    assert part(3, 10, 0.5) == (0, 7, 0.5)
    assert part(9, 10, 1.5) == (6, 7, 1.5)
    line = Warmup(4, then=Linear())
    assert [line(t, 8, 0.0) for t in range(8)] == [0.25, 0.5, 0.75, 1, 1, 0.75, 0.5, 0.25]


def test_is_named_in_a_config_like_any_part_of_a_part():
    part = built("schedules", "warmup", {"length": 5, "then": {"name": "step", "every": 2, "factor": 0.5}})
    assert [part(t, 20, 0.0) for t in range(5, 10)] == [1, 1, 0.5, 0.5, 0.25]


def test_a_longer_warm_up_than_the_run():
    assert [Warmup(10, then=Linear())(t, 2, 0.0) for t in range(2)] == [0.1, 0.2]


def test_a_plateau_behind_it_hears_and_keeps():
    part = Warmup(1, then=Plateau(0.5, patience=1))
    for loss in (1.0, 2.0):
        part.observe(loss)
    assert part(1, 9, 2.0) == 0.5
    again = Warmup(1, then=Plateau(0.5, patience=1))
    again.load_state(part.state())
    assert again(1, 9, 2.0) == 0.5
    assert part.state() == {"then": part.then.state()}
    Warmup(1).observe(1.0)
    Warmup(1).load_state({})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"length": 0}, "length must be at least 1, got 0"),
        ({"length": 5, "start": 1.5}, "start must be in [0, 1], got 1.5"),
    ],
)
def test_refuses_options_out_of_range(options, message):
    assert message_of(ValueError, lambda: Warmup(**options)) == message
