"""AMSGrad."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest

from dtrain_plugins.optimizers.adam import Adam
from dtrain_plugins.optimizers.amsgrad import Amsgrad
from tests.plugins.optimizers import grid
from tests.plugins.optimizers.support import check, gradient
from tests.plugins.support import message_of


def textbook(optimizer, rates, steps):
    """The paper's algorithm 2 with Adam's corrections: the greatest corrected mean square of all so far."""
    b1, b2, epsilon = optimizer.beta_1, optimizer.beta_2, optimizer.epsilon
    theta, m, v, points = grid.start(), grid.zeros(), grid.zeros(), []
    seen = [[] for _ in theta]
    for t in range(1, steps + 1):
        for i, g in enumerate(gradient(theta)):
            m[i] = b1 * m[i] + (1 - b1) * g
            v[i] = b2 * v[i] + (1 - b2) * g**2
            seen[i].append(v[i] / (1 - b2**t))
        for i in range(len(theta)):
            theta[i] -= rates[t - 1] * (m[i] / (1 - b1**t)) / (sqrt(max(seen[i])) + epsilon)
        points.append(list(theta))
    return np.array(points)


@grid.dtypes
@grid.rates
@pytest.mark.parametrize(
    "options",
    [{}, {"lr": 0.05, "beta_2": 0.9}, {"lr": 0.1, "beta_1": 0.5, "beta_2": 0.5, "epsilon": 0.1}],
    ids=str,
)
def test_follows_the_paper(options, dtype, tolerance, rates):
    check(Amsgrad, textbook, options, dtype, tolerance, rates)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e6])
def test_the_first_step_is_the_rate(scale):
    value, (m, v, v_max) = grid.first_step(Amsgrad(0.1), [scale, -2 * scale])
    assert value == pytest.approx([-0.1, 0.1], rel=1e-4)
    assert v == pytest.approx([0.001 * scale**2, 0.004 * scale**2])
    assert v_max == pytest.approx([scale**2, 4 * scale**2])
    assert m == pytest.approx([0.1 * scale, -0.2 * scale])


def test_remembers_one_great_gradient_which_adam_forgets():
    steps = {}
    for part in (Adam(0.1, beta_2=0.5), Amsgrad(0.1, beta_2=0.5)):
        _, slots = grid.first_step(part, [100.0])
        for step in range(2, 60):
            value = grid.later_step(part, [1.0], slots, step)
        steps[type(part)] = -value[0]
    assert steps[Adam] > 0.09
    assert steps[Amsgrad] < 0.002


def test_has_three_slots_and_the_options_of_adam():
    part = Amsgrad()
    assert (part.lr, part.beta_1, part.beta_2, part.epsilon) == (1e-3, 0.9, 0.999, 1e-8)
    assert Amsgrad.slots == ("m", "v", "v_max")
    assert message_of(ValueError, lambda: Amsgrad(lr=0.0)) == "lr must be positive, got 0.0"
