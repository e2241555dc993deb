"""Adam."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest

from dtrain_plugins.optimizers.adam import Adam
from tests.plugins.optimizers.support import START, Pad, check, gradient, trajectory
from tests.plugins.support import message_of


def textbook(optimizer, rates, steps):
    """Algorithm 1 of Kingma & Ba, line by line, one element at a time."""
    b1, b2, epsilon = optimizer.beta_1, optimizer.beta_2, optimizer.epsilon
    theta = [float(v) for v in START]
    m, v, points = [0.0] * len(theta), [0.0] * len(theta), []
    for t in range(1, steps + 1):
        for i, g in enumerate(gradient(theta)):
            m[i] = b1 * m[i] + (1 - b1) * g
            v[i] = b2 * v[i] + (1 - b2) * g**2
        for i in range(len(theta)):
            m_hat = m[i] / (1 - b1**t)
            v_hat = v[i] / (1 - b2**t)
            theta[i] = theta[i] - rates[t - 1] * m_hat / (sqrt(v_hat) + epsilon)
        points.append(list(theta))
    return np.array(points)


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-10), (np.float32, 1e-5)])
@pytest.mark.parametrize(
    "options",
    [
        {"lr": 0.05},
        {},
        {"lr": 0.1, "beta_1": 0.5, "beta_2": 0.9},
        {"lr": 0.1, "beta_1": 0.0, "beta_2": 0.0, "epsilon": 0.1},
        {"lr": 0.1, "epsilon": 1.0},
    ],
    ids=str,
)
@pytest.mark.parametrize("rates", [None, [0.1 / t for t in range(1, 51)]], ids=["fixed", "falling"])
def test_follows_the_paper(options, dtype, tolerance, rates):
    check(Adam, textbook, options, dtype, tolerance, rates)


def test_has_the_papers_defaults():
    adam = Adam()
    assert (adam.lr, adam.beta_1, adam.beta_2, adam.epsilon) == (1e-3, 0.9, 0.999, 1e-8)
    assert Adam.slots == ("m", "v")


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e6])
def test_the_first_step_is_the_rate_for_any_gradient(scale):
    """The bias correction: without it the first step is (1−β₁)/√(1−β₂) = 3.2 times as long."""
    value, slots = np.zeros(3), (np.zeros(3), np.zeros(3))
    Adam(lr=0.1).update(value, scale * np.array([1.0, -2.0, 0.5]), Pad(np.float64, 1), *slots)
    assert value == pytest.approx([-0.1, 0.1, -0.1], rel=1e-4)


def test_elements_without_a_gradient_stay():
    value, slots = np.ones(4, np.float32), (np.zeros(4, np.float32), np.zeros(4, np.float32))
    for step in range(1, 4):
        Adam().update(value, np.zeros(4, np.float32), Pad(np.float32, step), *slots)
    assert (value == 1).all()


def test_slots_hold_the_running_averages_without_correction():
    _, (m, v) = trajectory(Adam(beta_1=0.8, beta_2=0.9), steps=1)
    g = np.array(gradient(START))
    assert m == pytest.approx(0.2 * g, rel=1e-13)
    assert v == pytest.approx(0.1 * g**2, rel=1e-13)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lr": 0.0}, "lr must be positive, got 0.0"),
        ({"beta_1": 1.0}, "beta_1 must be in [0, 1), got 1.0"),
        ({"beta_2": -0.5}, "beta_2 must be in [0, 1), got -0.5"),
        ({"epsilon": 0.0}, "epsilon must be positive, got 0.0"),
    ],
)
def test_refuses_options_out_of_range(options, message):
    assert message_of(ValueError, lambda: Adam(**options)) == message
