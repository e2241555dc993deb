"""RMSprop."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest

from dtrain_plugins.optimizers.rmsprop import Rmsprop
from tests.plugins.optimizers import grid
from tests.plugins.optimizers.support import check, gradient
from tests.plugins.support import message_of


def textbook(optimizer, rates, steps):
    """The running mean square written out: (1−ρ)·Σ ρᵏ·g² of the gradient k steps ago."""
    w, past, points = grid.start(), [], []
    rho = optimizer.rho
    for t in range(steps):
        past.append(gradient(w))
        for i in range(len(w)):
            v = sum((1 - rho) * rho ** (t - k) * past[k][i] ** 2 for k in range(t + 1))
            w[i] -= rates[t] * past[t][i] / (sqrt(v) + optimizer.epsilon)
        points.append(list(w))
    return np.array(points)


@grid.dtypes
@grid.rates
@pytest.mark.parametrize(
    "options", [{}, {"lr": 0.05, "rho": 0.99}, {"lr": 0.1, "rho": 0.0, "epsilon": 0.5}], ids=str
)
def test_follows_the_lecture(options, dtype, tolerance, rates):
    check(Rmsprop, textbook, options, dtype, tolerance, rates)


def test_nothing_is_corrected_in_the_first_step():
    value, (squares,) = grid.first_step(Rmsprop(0.1, rho=0.75), [3.0, -0.5])
    assert value == pytest.approx([-0.2, 0.2], rel=1e-6)
    assert squares == pytest.approx([0.25 * 9, 0.25 * 0.25])


def test_epsilon_is_outside_the_root():
    assert grid.first_step(Rmsprop(1.0, rho=0.0, epsilon=1.0), [3.0])[0] == pytest.approx([-3 / 4])


def test_has_one_slot_and_the_lectures_decay():
    part = Rmsprop()
    assert (part.lr, part.rho, part.epsilon, Rmsprop.slots) == (1e-3, 0.9, 1e-8, ("squares",))


def test_elements_without_a_gradient_stay():
    assert (grid.first_step(Rmsprop(), [0.0, 0.0], value=[1.0, 2.0])[0] == [1, 2]).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lr": 0.0}, "lr must be positive, got 0.0"),
        ({"rho": 1.0}, "rho must be in [0, 1), got 1.0"),
        ({"epsilon": -1.0}, "epsilon must be positive, got -1.0"),
    ],
)
def test_refuses_options_out_of_range(options, message):
    assert message_of(ValueError, lambda: Rmsprop(**options)) == message
