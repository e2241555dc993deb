"""LARS."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest

from dtrain_plugins.optimizers.lars import Lars
from dtrain_plugins.optimizers.momentum import Momentum
from tests.plugins.optimizers import grid
from tests.plugins.optimizers.support import check, gradient, trajectory
from tests.plugins.support import message_of


def textbook(optimizer, rates, steps):
    """Algorithm 1 of You, Gitman & Ginsburg on one layer, in whole arrays."""
    w, v, points = np.array(grid.start()), np.zeros(7), []
    for t in range(steps):
        g = np.array(gradient(w))
        local = optimizer.trust * np.linalg.norm(w)
        local /= np.linalg.norm(g) + optimizer.weight_decay * np.linalg.norm(w)
        v = optimizer.momentum * v + rates[t] * local * (g + optimizer.weight_decay * w)
        w = w - v
        points.append(w)
    return np.array(points)


@grid.dtypes
@grid.rates
@pytest.mark.parametrize(
    "options",
    [{"lr": 10.0}, {"lr": 1.0, "trust": 0.05, "momentum": 0.5}, {"trust": 0.1, "weight_decay": 0.3}],
    ids=str,
)
def test_follows_the_paper(options, dtype, tolerance, rates):
    check(Lars, textbook, options, dtype, tolerance, rates)


def test_the_scale_of_the_gradient_does_not_matter_to_weights():
    small, large = (
        grid.first_step(Lars(weight_decay=0.0), [scale, -2 * scale], value=[3.0, 4.0])[0]
        for scale in (1e-3, 1e6)
    )
    step = 0.001 * 5 / sqrt(5)
    assert small == pytest.approx([3 - step, 4 + 2 * step], rel=1e-12)
    assert large == pytest.approx(small, rel=1e-12)


@pytest.mark.parametrize("role", ["bias", "scale"])
def test_biases_and_scales_take_plain_momentum_without_decay(role):
    value, slots = grid.first_step(Lars(0.1, weight_decay=0.5), [1.0, -2.0], role, [3.0, 4.0])
    plain, plain_slots = grid.first_step(Momentum(0.1), [1.0, -2.0], role, [3.0, 4.0])
    assert (value == plain).all()
    assert (slots[0] == plain_slots[0]).all()
    assert Lars.by_role


@pytest.mark.parametrize("role", ["weight", "bias", "scale"])
def test_all_roles_can_be_treated_alike(role):
    part = Lars(0.1, weight_decay=0.5, all_roles=True)
    value, _ = grid.first_step(part, [1.0, -2.0], role, [3.0, 4.0])
    weight, _ = grid.first_step(Lars(0.1, weight_decay=0.5), [1.0, -2.0], "weight", [3.0, 4.0])
    assert (value == weight).all()


@pytest.mark.parametrize(
    ("w", "g", "step"),
    [
        ([0.0, 0.0], [3.0, -4.0], [0.3, -0.4]),
        ([3.0, 4.0], [0.0, 0.0], [0.15, 0.2]),
        ([0.0, 0.0], [0.0, 0.0], [0.0, 0.0]),
    ],
    ids=str,
)
def test_a_norm_of_zero_gives_a_ratio_of_one(w, g, step):
    value, _ = grid.first_step(Lars(0.1, weight_decay=0.5), g, value=w)
    assert value == pytest.approx(np.array(w) - step, rel=1e-13, abs=1e-30)


@pytest.mark.parametrize("size", [1.0, 1e-12, 1e-40, 1e-120])
def test_a_tiny_norm_is_no_norm_of_zero(size):
    """A step is relative: trust·‖w‖ long where there is no decay, however small the gradient is."""
    value, _ = grid.first_step(Lars(0.1, trust=0.5, weight_decay=0.0), [3 * size, 4 * size], value=[5.0, 0.0])
    assert value == pytest.approx([5 - 0.1 * 0.5 * 3, -0.1 * 0.5 * 4], rel=1e-13)


def test_without_decay_a_vanishing_gradient_stays_finite_in_float32():
    value, velocity = np.ones(4, np.float32), np.zeros(4, np.float32)
    part = Lars(100.0, weight_decay=0.0)
    for tiny in (1e-27, 1e-33, 1e-39, 1e-44):
        norm = float(np.linalg.norm(np.full(4, tiny, np.float32).astype(float)))
        pad = grid.Pad(np.float32, 1)
        pad.sums = (4.0, norm**2)
        with np.errstate(over="raise", invalid="raise"):
            part.update(value, np.full(4, tiny, np.float32), pad, velocity)
        assert np.isfinite(value).all()


def test_has_one_slot_and_the_papers_defaults():
    part = Lars()
    assert (part.lr, part.trust, part.momentum, part.weight_decay) == (1.0, 0.001, 0.9, 0.0005)
    assert (Lars.slots, Lars.sums_over, part.sums(), part.all_roles) == (("velocity",), "parameter", 2, False)
    assert trajectory(Lars(), steps=2)[0].shape == (2, 7)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lr": 0.0}, "lr must be positive, got 0.0"),
        ({"trust": -1.0}, "trust must be positive, got -1.0"),
        ({"momentum": 1.0}, "momentum must be in [0, 1), got 1.0"),
        ({"weight_decay": -0.1}, "weight_decay must be at least 0, got -0.1"),
    ],
)
def test_refuses_options_out_of_range(options, message):
    assert message_of(ValueError, lambda: Lars(**options)) == message
