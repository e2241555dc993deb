"""Nadam."""

from __future__ import annotations

from math import prod, sqrt

import numpy as np
import pytest

from dtrain_plugins.optimizers.nadam import Nadam
from tests.plugins.optimizers import grid
from tests.plugins.optimizers.support import check, gradient
from tests.plugins.support import message_of


def textbook(optimizer, rates, steps):
    """Dozat's algorithm with its sequence μ₁, μ₂, … written out, all of them β₁ here."""
    b1, b2, epsilon = optimizer.beta_1, optimizer.beta_2, optimizer.epsilon
    mu = [b1] * (steps + 2)
    theta, m, n, points = grid.start(), grid.zeros(), grid.zeros(), []
    for t in range(1, steps + 1):
        for i, g in enumerate(gradient(theta)):
            m[i] = mu[t] * m[i] + (1 - mu[t]) * g
            n[i] = b2 * n[i] + (1 - b2) * g**2
            m_hat = mu[t + 1] * m[i] / (1 - prod(mu[1 : t + 2])) + (1 - mu[t]) * g / (1 - prod(mu[1 : t + 1]))
            n_hat = n[i] / (1 - b2**t)
            theta[i] -= rates[t - 1] / (sqrt(n_hat) + epsilon) * m_hat
        points.append(list(theta))
    return np.array(points)


@grid.dtypes
@grid.rates
@pytest.mark.parametrize(
    "options",
    [{}, {"lr": 0.05}, {"lr": 0.1, "beta_1": 0.5, "beta_2": 0.9}, {"lr": 0.1, "beta_1": 0.0, "epsilon": 0.1}],
    ids=str,
)
def test_follows_the_paper(options, dtype, tolerance, rates):
    check(Nadam, textbook, options, dtype, tolerance, rates)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e6])
def test_the_first_step_is_corrected_for_any_gradient(scale):
    value, (m, v) = grid.first_step(Nadam(0.1, beta_1=0.5), [scale, -2 * scale])
    # β₁(1−β₁)/(1−β₁²) + 1 = 1/3 + 1 of the rate
    assert value == pytest.approx([-0.1 * 4 / 3, 0.1 * 4 / 3], rel=1e-4)
    assert m == pytest.approx([0.5 * scale, -scale])
    assert v == pytest.approx([0.001 * scale**2, 0.004 * scale**2])


def test_has_the_slots_and_options_of_adam():
    part = Nadam()
    assert (part.lr, part.beta_1, part.beta_2, part.epsilon) == (1e-3, 0.9, 0.999, 1e-8)
    assert Nadam.slots == ("m", "v")
    assert message_of(ValueError, lambda: Nadam(epsilon=0.0)) == "epsilon must be positive, got 0.0"
