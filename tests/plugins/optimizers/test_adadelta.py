"""Adadelta."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest

from dtrain_plugins.optimizers.adadelta import Adadelta
from tests.plugins.optimizers import grid
from tests.plugins.optimizers.support import check, gradient
from tests.plugins.support import message_of


def textbook(optimizer, rates, steps):
    """Algorithm 1 of Zeiler, line by line: RMS[x] = √(E[x²] + ε); here the update is taken times the rate."""
    rho, epsilon = optimizer.rho, optimizer.epsilon
    x, e_g, e_dx, points = grid.start(), grid.zeros(), grid.zeros(), []
    for t in range(steps):
        for i, g in enumerate(gradient(x)):
            e_g[i] = rho * e_g[i] + (1 - rho) * g**2
            delta = -(sqrt(e_dx[i] + epsilon) / sqrt(e_g[i] + epsilon)) * g
            e_dx[i] = rho * e_dx[i] + (1 - rho) * delta**2
            x[i] += rates[t] * delta
        points.append(list(x))
    return np.array(points)


@grid.dtypes
@grid.rates
@pytest.mark.parametrize(
    "options",
    [{}, {"lr": 2.0, "rho": 0.9, "epsilon": 1e-3}, {"lr": 0.1, "rho": 0.0, "epsilon": 0.5}],
    ids=str,
)
def test_follows_the_paper(options, dtype, tolerance, rates):
    check(Adadelta, textbook, options, dtype, tolerance, rates)


def test_the_first_step_comes_from_epsilon():
    value, (squares, updates) = grid.first_step(Adadelta(), [3.0, -0.5])
    step = [sqrt(1e-6) * g / sqrt(0.05 * g * g + 1e-6) for g in (3.0, -0.5)]
    assert value == pytest.approx([-a for a in step])
    assert squares == pytest.approx([0.05 * 9, 0.05 * 0.25])
    assert updates == pytest.approx([0.05 * a * a for a in step])


def test_the_scale_of_the_gradient_hardly_matters():
    small, large = (grid.first_step(Adadelta(), [g])[0] for g in (1.0, 1e6))
    assert small == pytest.approx(large, rel=1e-4)


def test_has_two_slots_and_the_papers_defaults():
    part = Adadelta()
    assert (part.lr, part.rho, part.epsilon) == (1.0, 0.95, 1e-6)
    assert Adadelta.slots == ("squares", "square_updates")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lr": 0.0}, "lr must be positive, got 0.0"),
        ({"rho": -0.5}, "rho must be in [0, 1), got -0.5"),
        ({"epsilon": 0.0}, "epsilon must be positive, got 0.0"),
    ],
)
def test_refuses_options_out_of_range(options, message):
    assert message_of(ValueError, lambda: Adadelta(**options)) == message
