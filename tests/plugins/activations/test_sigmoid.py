"""sigmoid."""

from __future__ import annotations

from math import exp

import numpy as np
import pytest

from dtrain_plugins.activations.sigmoid import Sigmoid
from tests.plugins.support import check_gradients, distance, run_layer

X = np.linspace(-20, 20, 41)[:, None]


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-7), (np.float64, 4e-16)])
def test_is_the_logistic_function(dtype, tolerance):
    x = X.astype(dtype)
    passed = run_layer(Sigmoid, x, np.full_like(x, 3))
    y = np.array([[1 / (1 + exp(-float(v)))] for v in x[:, 0]])
    # ∂y/∂x = e^x/(1 + e^x)², another form than the layer's
    dx = np.array([[3 * exp(float(v)) / (1 + exp(float(v))) ** 2] for v in x[:, 0]])
    assert np.abs(passed.y - y).max() <= tolerance
    assert np.abs(passed.dx - dx).max() <= 3 * tolerance
    assert distance(passed.y, y) <= tolerance


def test_differentiates():
    random = np.random.Generator(np.random.Philox(2))
    x, dy = random.standard_normal((2, 6, 5))
    check_gradients(Sigmoid, 3 * x, dy, sizes=(3, 3), tolerance=1e-14)


def test_takes_the_largest_numbers_without_a_warning():
    most = np.finfo(np.float32).max
    passed = run_layer(Sigmoid, np.array([[-most, 0, most]], np.float32), np.ones((1, 3), np.float32))
    assert list(passed.y[0]) == [0, 0.5, 1]
    assert list(passed.dx[0]) == [0, 0.25, 0]
