"""Lion."""

from __future__ import annotations

import numpy as np
import pytest

from dtrain_plugins.optimizers.lion import Lion
from tests.plugins.optimizers import grid
from tests.plugins.optimizers.support import check, gradient
from tests.plugins.support import message_of


def textbook(optimizer, rates, steps):
    """Algorithm 2 of the paper, line by line."""
    b1, b2, decay = optimizer.beta_1, optimizer.beta_2, optimizer.weight_decay
    theta, m, points = grid.start(), grid.zeros(), []
    for t in range(steps):
        for i, g in enumerate(gradient(theta)):
            c = b1 * m[i] + (1 - b1) * g
            theta[i] -= rates[t] * ((c > 0) - (c < 0) + decay * theta[i])
            m[i] = b2 * m[i] + (1 - b2) * g
        points.append(list(theta))
    return np.array(points)


@grid.dtypes
@grid.rates
@pytest.mark.parametrize(
    "options",
    [{"lr": 1e-3}, {"lr": 0.05, "weight_decay": 0.5}, {"lr": 0.01, "beta_1": 0.5, "beta_2": 0.5}],
    ids=str,
)
def test_follows_the_paper(options, dtype, tolerance, rates):
    check(Lion, textbook, options, dtype, tolerance, rates)


@pytest.mark.parametrize(("role", "decays"), [("weight", True), ("bias", False), ("scale", False)])
def test_moves_by_the_rate_and_only_weights_decay(role, decays):
    value, (m,) = grid.first_step(Lion(0.1, weight_decay=0.5), [1e-9, -100.0, 0.0], role, [1.0, -2.0, 3.0])
    kept = 0.95 if decays else 1
    assert value == pytest.approx([kept - 0.1, -2 * kept + 0.1, 3 * kept])
    assert m == pytest.approx([1e-11, -1.0, 0.0])
    assert Lion.by_role


def test_has_the_papers_defaults_and_no_decay():
    part = Lion()
    assert (part.lr, part.beta_1, part.beta_2, part.weight_decay) == (1e-4, 0.9, 0.99, 0.0)
    assert Lion.slots == ("m",)
    value, _ = grid.first_step(Lion(), [1.0, -1.0], value=[1.0, 1.0])
    assert value == pytest.approx([1 - 1e-4, 1 + 1e-4], rel=1e-14)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lr": 0.0}, "lr must be positive, got 0.0"),
        ({"beta_1": 1.0}, "beta_1 must be in [0, 1), got 1.0"),
        ({"beta_2": -0.5}, "beta_2 must be in [0, 1), got -0.5"),
        ({"weight_decay": -1.0}, "weight_decay must be at least 0, got -1.0"),
    ],
)
def test_refuses_options_out_of_range(options, message):
    assert message_of(ValueError, lambda: Lion(**options)) == message
