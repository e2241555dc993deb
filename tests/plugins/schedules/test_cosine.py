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
