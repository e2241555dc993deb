"""LAMB."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest

from dtrain_plugins.optimizers.adam import Adam
from dtrain_plugins.optimizers.lamb import Lamb
from tests.plugins.optimizers import grid
from tests.plugins.optimizers.support import check, gradient
from tests.plugins.support import message_of


def textbook(optimizer, rates, steps):
    """Algorithm 2 of You et al. on one layer, in whole arrays; φ(z) = z."""
    b1, b2 = optimizer.beta_1, optimizer.beta_2
    x, m, v, points = np.array(grid.start()), np.zeros(7), np.zeros(7), []
    for t in range(1, steps + 1):
        g = np.array(gradient(x))
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g**2
        r = (m / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + optimizer.epsilon)
        r = r + optimizer.weight_decay * x
        x = x - rates[t - 1] * np.linalg.norm(x) / np.linalg.norm(r) * r
        points.append(x)
    return np.array(points)


@grid.dtypes
@grid.rates
@pytest.mark.parametrize(
    "options",
    [{}, {"lr": 0.02, "weight_decay": 0.5}, {"lr": 0.05, "beta_1": 0.5, "beta_2": 0.9, "epsilon": 0.1}],
    ids=str,
)
def test_follows_the_paper(options, dtype, tolerance, rates):
    check(Lamb, textbook, options, dtype, tolerance, rates)


def test_weights_move_by_the_rate_relative_to_their_norm():
    start = np.array([3.0, 4.0])
    value, _ = grid.first_step(Lamb(0.1, weight_decay=0.0), [1e3, -2e-3], value=start)
    assert np.linalg.norm(value - start) == pytest.approx(0.1 * 5, rel=1e-12)
    assert value - start == pytest.approx([-0.5 / sqrt(2), 0.5 / sqrt(2)], rel=1e-3)


@pytest.mark.parametrize("role", ["bias", "scale"])
def test_biases_and_scales_take_the_step_of_adam(role):
    value, slots = grid.first_step(Lamb(0.1, weight_decay=0.5), [0.3, -2.0], role, [3.0, 4.0])
    plain, plain_slots = grid.first_step(Adam(0.1, epsilon=1e-6), [0.3, -2.0], role, [3.0, 4.0])
    assert value == pytest.approx(plain, rel=1e-14)
    assert (np.array(slots) == plain_slots).all()
    assert Lamb.by_role


@pytest.mark.parametrize("role", ["weight", "bias", "scale"])
def test_all_roles_can_be_treated_alike(role):
    value, _ = grid.first_step(Lamb(0.1, 0.5, all_roles=True), [1.0, -2.0], role, [3.0, 4.0])
    weight, _ = grid.first_step(Lamb(0.1, 0.5), [1.0, -2.0], "weight", [3.0, 4.0])
    assert (value == weight).all()


def test_a_norm_of_zero_gives_a_ratio_of_one():
    value, _ = grid.first_step(Lamb(0.1), [3.0, -4.0])
    assert value == pytest.approx([-0.1, 0.1], rel=1e-6)
    still, _ = grid.first_step(Lamb(0.1, weight_decay=0.0), [0.0, 0.0], value=[3.0, 4.0])
    assert (still == [3, 4]).all()


def test_weights_whose_gradient_stays_away_stay_finite_in_float32():
    """m falls to denormal numbers, and below: dividing by its norm would leave float32."""
    part, value = Lamb(0.1, weight_decay=0.0, beta_1=0.1), np.ones(4, np.float32)
    slots = [np.zeros(4, np.float32) for _ in part.slots]
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        for step in range(1, 60):
            pad = grid.Pad(np.float32, step)
            g = np.full(4, 1.0 if step == 1 else 0.0, np.float32)
            grid.updated(part, value, g, pad, slots)
            assert np.isfinite(value).all()
    assert not slots[0].any()


def test_has_two_slots_and_the_usual_defaults():
    part = Lamb()
    assert (part.lr, part.weight_decay, part.beta_1, part.beta_2, part.epsilon) == (
        1e-3,
        0.01,
        0.9,
        0.999,
        1e-6,
    )
    assert (Lamb.slots, Lamb.sums_over, part.sums(), part.all_roles) == (("m", "v"), "parameter", 2, False)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lr": 0.0}, "lr must be positive, got 0.0"),
        ({"weight_decay": -0.1}, "weight_decay must be at least 0, got -0.1"),
        ({"beta_1": 1.0}, "beta_1 must be in [0, 1), got 1.0"),
        ({"beta_2": -0.5}, "beta_2 must be in [0, 1), got -0.5"),
        ({"epsilon": 0.0}, "epsilon must be positive, got 0.0"),
    ],
)
def test_refuses_options_out_of_range(options, message):
    assert message_of(ValueError, lambda: Lamb(**options)) == message
