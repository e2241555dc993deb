"""The cosine schedule."""

from __future__ import annotations

from math import pi, sin

import pytest

from dtrain_plugins.schedules.cosine import Cosine
from tests.plugins.support import message_of


@pytest.mark.parametrize("end", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("steps", [1, 2, 7, 1000])
def test_falls_along_half_a_cosine(steps, end):
    schedule = Cosine(end)
    for step in range(steps + 1):
        # (1 + cos 2a)/2 = 1 − sin² a
        expected = 1 - (1 - end) * sin(pi * step / steps / 2) ** 2
        assert schedule(step, steps, step / 3) == pytest.approx(expected, abs=1e-15)


def test_runs_from_1_to_the_end():
    assert Cosine(0.25)(0, 10, 0.0) == 1
    assert Cosine(0.25)(5, 10, 0.0) == pytest.approx(0.625)
    assert Cosine(0.25)(10, 10, 0.0) == 0.25
    assert Cosine()(10, 10, 0.0) == 0


def test_never_rises():
    factors = [Cosine()(step, 50, 0.0) for step in range(51)]
    assert factors == sorted(factors, reverse=True)
    assert len(set(factors)) == 51


def test_a_run_of_no_steps_is_at_its_start():
    assert Cosine()(0, 0, 0.0) == 1


def test_has_nothing_to_keep():
    assert Cosine().state() == {}


@pytest.mark.parametrize("end", [-0.1, 1.5])
def test_refuses_an_end_that_is_no_fraction(end):
    assert message_of(ValueError, lambda: Cosine(end)) == f"end must be in [0, 1], got {end}"


@pytest.mark.parametrize("end", [0.0, 0.1])
def test_restarts_after_every_cycle(end):
    part, once = Cosine(end, cycle=6), Cosine(end)
    for step in range(30):
        assert part(step, 1000, 0.0) == once(step % 6, 6, 0.0)


def test_cycles_grow():
    part, once = Cosine(cycle=2, growth=3.0), Cosine()
    for start, length in [(0, 2), (2, 6), (8, 18), (26, 54)]:
        for t in range(length):
            assert part(start + t, 7, 0.0) == pytest.approx(once(t, length, 0.0), abs=1e-15)
    slow = Cosine(cycle=2, growth=1.5)
    assert [slow(t, 7, 0.0) == 1 for t in range(6)] == [True, False, True, False, False, True]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cycle": 0}, "cycle must be at least 1, got 0"),
        ({"cycle": 5, "growth": 0.5}, "growth must be at least 1, got 0.5"),
        ({"growth": 2.0}, "growth is of cycles: set cycle, the length of the first, beside growth = 2.0"),
    ],
)
def test_refuses_cycles_that_are_none(options, message):
    assert message_of(ValueError, lambda: Cosine(**options)) == message
