"""Adagrad."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest

from dtrain_plugins.optimizers.adagrad import Adagrad
from tests.plugins.optimizers import grid
from tests.plugins.optimizers.support import check, gradient
from tests.plugins.support import message_of


def textbook(optimizer, rates, steps):
    """With no running sum: each step adds up the squares of all gradients so far."""
    w, past, points = grid.start(), [], []
    for t in range(steps):
        past.append(gradient(w))
        for i in range(len(w)):
            total = sum(g[i] ** 2 for g in past)
            w[i] -= rates[t] * past[-1][i] / sqrt(total + optimizer.epsilon)
        points.append(list(w))
    return np.array(points)


@grid.dtypes
@grid.rates
@pytest.mark.parametrize("options", [{}, {"lr": 0.5}, {"lr": 0.1, "epsilon": 0.1}], ids=str)
def test_follows_the_paper(options, dtype, tolerance, rates):
    check(Adagrad, textbook, options, dtype, tolerance, rates)


def test_the_first_step_is_the_rate_and_equal_gradients_shorten_it_like_one_over_the_root():
    value, slots = grid.first_step(Adagrad(0.1), [3.0, -0.5])
    assert value == pytest.approx([-0.1, 0.1], rel=1e-6)
    for step in range(2, 5):
        value = grid.later_step(Adagrad(0.1), [3.0, -0.5], slots, step)
        assert value == pytest.approx([-0.1 / sqrt(step), 0.1 / sqrt(step)], rel=1e-6)
    assert slots[0] == pytest.approx([36.0, 1.0])


def test_epsilon_is_inside_the_root():
    value, _ = grid.first_step(Adagrad(1.0, 7.0), [3.0])
    assert value == pytest.approx([-3 / 4])


def test_has_one_slot_and_defaults():
    assert (Adagrad().lr, Adagrad().epsilon, Adagrad.slots) == (0.01, 1e-8, ("squares",))


def test_elements_without_a_gradient_stay():
    assert (grid.first_step(Adagrad(), [0.0, 0.0], value=[1.0, 2.0])[0] == [1, 2]).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lr": -1.0}, "lr must be positive, got -1.0"),
        ({"epsilon": 0.0}, "epsilon must be positive, got 0.0"),
    ],
)
def test_refuses_options_out_of_range(options, message):
    assert message_of(ValueError, lambda: Adagrad(**options)) == message
