"""The piecewise constant schedule."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dtrain_plugins.schedules.piecewise import Piecewise
from tests.plugins.support import message_of


def test_a_boundary_belongs_to_what_follows():
    part = Piecewise([2, 5], [1, 0.5, 0.0])
    assert [part(t, 8, 0.0) for t in range(8)] == [1, 1, 0.5, 0.5, 0.5, 0, 0, 0]
    assert isinstance(part(0, 8, 0.0), float)
    assert part.state() == {}


def test_without_boundaries_it_is_constant():
    assert {Piecewise([], [0.25])(t, 9, 0.0) for t in range(9)} == {0.25}


@settings(deadline=None)
@given(st.sets(st.integers(1, 50)), st.integers(0, 60))
def test_the_factor_is_that_of_the_last_boundary_reached(boundaries, t):
    rising = sorted(boundaries)
    part = Piecewise(rising, [0.0, *map(float, rising)])
    assert part(t, 60, 0.0) == max([b for b in boundaries if b <= t], default=0)


@pytest.mark.parametrize(
    ("boundaries", "factors", "message"),
    [
        ([5], [1.0], "factors must be one more than boundaries, 2, got 1"),
        ([5, 5], [1.0, 0.5, 0.1], "boundaries must rise, from 1 on, got [5, 5]"),
        ([0], [1.0, 0.5], "boundaries must rise, from 1 on, got [0]"),
        ([5], [1.0, -0.5], "factors must be at least 0, got [1.0, -0.5]"),
    ],
)
def test_refuses_options_that_do_not_fit(boundaries, factors, message):
    assert message_of(ValueError, lambda: Piecewise(boundaries, factors)) == message
