"""Adam with decoupled weight decay."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest

from dtrain_plugins.optimizers.adam import Adam
from dtrain_plugins.optimizers.adamw import Adamw
from tests.plugins.optimizers import grid
from tests.plugins.optimizers.support import check, gradient
from tests.plugins.support import message_of


def textbook(optimizer, rates, steps):
    """Algorithm 2 of Loshchilov & Hutter, line by line, with λ times the rate."""
    b1, b2, epsilon, decay = optimizer.beta_1, optimizer.beta_2, optimizer.epsilon, optimizer.weight_decay
    theta, m, v, points = grid.start(), grid.zeros(), grid.zeros(), []
    for t in range(1, steps + 1):
        for i, g in enumerate(gradient(theta)):
            m[i] = b1 * m[i] + (1 - b1) * g
            v[i] = b2 * v[i] + (1 - b2) * g**2
        for i in range(len(theta)):
            m_hat, v_hat = m[i] / (1 - b1**t), v[i] / (1 - b2**t)
            theta[i] -= rates[t - 1] * (m_hat / (sqrt(v_hat) + epsilon) + decay * theta[i])
        points.append(list(theta))
    return np.array(points)


@grid.dtypes
@grid.rates
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"lr": 0.05, "weight_decay": 0.5},
        {"lr": 0.1, "weight_decay": 0.0},
        {"lr": 0.1, "weight_decay": 2.0, "beta_1": 0.5, "beta_2": 0.9, "epsilon": 0.1},
    ],
    ids=str,
)
def test_follows_the_paper(options, dtype, tolerance, rates):
    check(Adamw, textbook, options, dtype, tolerance, rates)


@pytest.mark.parametrize(("role", "decays"), [("weight", True), ("bias", False), ("scale", False)])
def test_only_weights_decay(role, decays):
    start = [1.0, -2.0, 0.5]
    plain, plain_slots = grid.first_step(Adam(0.1), [0.3, 1.0, -1.0], role, start)
    value, slots = grid.first_step(Adamw(0.1, 0.5), [0.3, 1.0, -1.0], role, start)
    assert plain - value == pytest.approx([0.05 * a * decays for a in start], abs=1e-15)
    assert (np.array(slots) == plain_slots).all()
    assert Adamw.by_role


def test_without_a_gradient_weights_shrink_by_the_rate_times_the_decay():
    value, _ = grid.first_step(Adamw(0.1, 0.5), [0.0, 0.0], value=[1.0, -2.0])
    assert value == pytest.approx([0.95, -1.9], rel=1e-14)


def test_has_the_papers_moments_and_the_usual_decay():
    part = Adamw()
    assert (part.lr, part.weight_decay, part.beta_1, part.beta_2) == (1e-3, 0.01, 0.9, 0.999)
    assert (part.epsilon, Adamw.slots) == (1e-8, ("m", "v"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lr": 0.0}, "lr must be positive, got 0.0"),
        ({"weight_decay": -0.1}, "weight_decay must be at least 0, got -0.1"),
        ({"beta_1": 1.0}, "beta_1 must be in [0, 1), got 1.0"),
        ({"epsilon": 0.0}, "epsilon must be positive, got 0.0"),
    ],
)
def test_refuses_options_out_of_range(options, message):
    assert message_of(ValueError, lambda: Adamw(**options)) == message
