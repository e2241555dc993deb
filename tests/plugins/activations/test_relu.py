"""relu."""

from __future__ import annotations

import numpy as np
import pytest

from dtrain_plugins.activations.relu import Relu
from tests.plugins.support import check_gradients, run_layer


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_keeps_what_is_positive(dtype):
    x = np.array([[-3, -1e-30, -0.0, 0, 1e-30, 2.5]], dtype)
    passed = run_layer(Relu, x, np.full_like(x, 7))
    assert [max(float(v), 0.0) for v in x[0]] == list(passed.y[0])
    assert list(passed.dx[0]) == [0, 0, 0, 0, 7, 7]  # the derivative at 0 is 0


def test_differentiates_off_the_kink():
    random = np.random.Generator(np.random.Philox(2))
    x, dy = random.standard_normal((2, 6, 5))
    x += np.copysign(0.1, x)
    check_gradients(Relu, x, dy, sizes=(3, 3), tolerance=1e-15)


def test_passes_on_what_is_not_a_number():
    assert np.isnan(run_layer(Relu, np.array([[np.nan]])).y).all()


def test_takes_the_largest_numbers_without_a_warning():
    most = np.finfo(np.float32).max
    assert list(run_layer(Relu, np.array([[-most, most]], np.float32)).y[0]) == [0, most]
