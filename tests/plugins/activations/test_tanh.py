"""tanh."""

from __future__ import annotations

from math import cosh, tanh

import numpy as np
import pytest

from dtrain_plugins.activations.tanh import Tanh
from tests.plugins.support import check_gradients, distance, run_layer

X = np.linspace(-6, 6, 49)[:, None]


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-6), (np.float64, 1e-15)])
def test_is_the_hyperbolic_tangent(dtype, tolerance):
    x = X.astype(dtype)
    passed = run_layer(Tanh, x, np.full_like(x, 3))
    assert distance(passed.y, [[tanh(float(v))] for v in x[:, 0]]) <= tolerance
    assert distance(passed.dx, [[3 / cosh(float(v)) ** 2] for v in x[:, 0]]) <= tolerance


def test_differentiates():
    random = np.random.Generator(np.random.Philox(2))
    x, dy = random.standard_normal((2, 6, 5))
    check_gradients(Tanh, x, dy, sizes=(3, 3), tolerance=1e-14)


def test_takes_the_largest_numbers_without_a_warning():
    most = np.finfo(np.float32).max
    passed = run_layer(Tanh, np.array([[-most, 0, most]], np.float32), np.ones((1, 3), np.float32))
    assert list(passed.y[0]) == [-1, 0, 1]
    assert list(passed.dx[0]) == [0, 1, 0]
