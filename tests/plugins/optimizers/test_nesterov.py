"""Nesterov's momentum."""

from __future__ import annotations

import numpy as np
import pytest

from dtrain_plugins.optimizers.nesterov import Nesterov
from tests.plugins.optimizers import grid
from tests.plugins.optimizers.support import check, gradient
from tests.plugins.support import message_of


def textbook(optimizer, rates, steps):
    """Nesterov's own iterate φ and the gradient at the point ahead of it, which is what the part updates."""
    phi, u, points = grid.start(), grid.zeros(), []
    momentum = optimizer.momentum
    for t in range(steps):
        g = gradient([p - momentum * a for p, a in zip(phi, u, strict=True)])
        u = [momentum * a + rates[t] * b for a, b in zip(u, g, strict=True)]
        phi = [p - a for p, a in zip(phi, u, strict=True)]
        points.append([p - momentum * a for p, a in zip(phi, u, strict=True)])
    return np.array(points)


@grid.dtypes
@grid.rates
@pytest.mark.parametrize(
    "options", [{}, {"lr": 0.05, "momentum": 0.5}, {"lr": 0.1, "momentum": 0.0}], ids=str
)
def test_makes_the_points_of_the_method_that_looks_ahead(options, dtype, tolerance, rates):
    check(Nesterov, textbook, options, dtype, tolerance, rates)


def test_the_first_step_is_longer_than_that_of_momentum():
    value, (velocity,) = grid.first_step(Nesterov(), [1.0, -2.0])
    assert value == pytest.approx([-0.01 * 1.9, 0.02 * 1.9], rel=1e-13)
    assert velocity == pytest.approx([0.01, -0.02], rel=1e-13)


def test_has_one_slot_and_the_usual_defaults():
    assert (Nesterov().lr, Nesterov().momentum, Nesterov.slots) == (0.01, 0.9, ("velocity",))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lr": 0.0}, "lr must be positive, got 0.0"),
        ({"lr": float("nan")}, "lr must be positive, got nan"),
        ({"momentum": 1.0}, "momentum must be in [0, 1), got 1.0"),
        ({"momentum": -0.1}, "momentum must be in [0, 1), got -0.1"),
    ],
)
def test_refuses_options_out_of_range(options, message):
    assert message_of(ValueError, lambda: Nesterov(**options)) == message
