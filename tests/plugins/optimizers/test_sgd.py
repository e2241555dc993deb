"""Gradient descent."""

from __future__ import annotations

import numpy as np
import pytest

from dtrain_plugins.optimizers.sgd import Sgd
from tests.plugins.optimizers.support import START, check, f, gradient, trajectory
from tests.plugins.support import message_of

DTYPES = [(np.float64, 1e-10), (np.float32, 1e-5)]


def textbook(optimizer, rates, steps):
    w, points = [float(v) for v in START], []
    for rate in rates[:steps]:
        w = [a - rate * g for a, g in zip(w, gradient(w), strict=True)]
        points.append(w)
    return np.array(points)


@pytest.mark.parametrize(("dtype", "tolerance"), DTYPES)
@pytest.mark.parametrize("options", [{}, {"lr": 0.1}], ids=str)
@pytest.mark.parametrize("rates", [None, [0.1 / t for t in range(1, 51)]], ids=["fixed", "falling"])
def test_follows_the_textbook(options, dtype, tolerance, rates):
    check(Sgd, textbook, options, dtype, tolerance, rates)


def test_the_functions_that_these_tests_descend_is_differentiated_rightly():
    w = [float(v) for v in START]
    for i in range(len(w)):
        up, down = ([a + h * (k == i) for k, a in enumerate(w)] for h in (1e-6, -1e-6))
        assert gradient(w)[i] == pytest.approx((f(up) - f(down)) / 2e-6, rel=1e-7)


def test_moves_by_a_hundredth_of_the_gradient_by_default():
    assert Sgd().lr == 0.01
    assert trajectory(Sgd(), steps=1)[0][0] == pytest.approx(
        START - 0.01 * np.array(gradient(START)), rel=1e-14
    )
    assert Sgd.slots == ()


@pytest.mark.parametrize("lr", [0.0, -0.1])
def test_refuses_a_rate_that_is_not_positive(lr):
    assert message_of(ValueError, lambda: Sgd(lr)) == f"lr must be positive, got {lr}"
