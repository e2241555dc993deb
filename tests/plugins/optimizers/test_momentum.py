"""Gradient descent with momentum."""

from __future__ import annotations

import numpy as np
import pytest

from dtrain_plugins.optimizers.momentum import Momentum
from tests.plugins.optimizers.support import START, check, gradient, trajectory
from tests.plugins.support import message_of


def textbook(optimizer, rates, steps):
    """Without a velocity: u of step t is the sum of all past η·g, each decayed by γ a step since."""
    w, moves, points = [float(v) for v in START], [], []
    for t in range(steps):
        moves.append([rates[t] * g for g in gradient(w)])
        for i in range(len(w)):
            w[i] -= sum(optimizer.momentum ** (t - k) * moves[k][i] for k in range(t + 1))
        points.append(list(w))
    return np.array(points)


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-10), (np.float32, 1e-5)])
@pytest.mark.parametrize(
    "options", [{}, {"lr": 0.05, "momentum": 0.5}, {"lr": 0.1, "momentum": 0.0}], ids=str
)
@pytest.mark.parametrize("rates", [None, [0.1 / t for t in range(1, 51)]], ids=["fixed", "falling"])
def test_follows_the_textbook(options, dtype, tolerance, rates):
    check(Momentum, textbook, options, dtype, tolerance, rates)


def test_has_one_slot_and_the_usual_defaults():
    assert (Momentum().lr, Momentum().momentum, Momentum.slots) == (0.01, 0.9, ("velocity",))


def test_the_rate_is_inside_the_velocity():
    """After a fall of the rate to almost zero the point rolls on."""
    points, (velocity,) = trajectory(Momentum(0.1, 0.9), steps=2, rates=[0.1, 1e-30])
    first = 0.1 * np.array(gradient(START))
    assert points[1] == pytest.approx(START - first - 0.9 * first, rel=1e-13)
    assert velocity == pytest.approx(0.9 * first, rel=1e-13)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lr": 0.0}, "lr must be positive, got 0.0"),
        ({"momentum": 1.0}, "momentum must be in [0, 1), got 1.0"),
        ({"momentum": -0.1}, "momentum must be in [0, 1), got -0.1"),
    ],
)
def test_refuses_options_out_of_range(options, message):
    assert message_of(ValueError, lambda: Momentum(**options)) == message
