"""softmax."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from scipy import special

from dtrain_plugins.activations.softmax import Softmax
from tests.plugins.support import check_gradients, check_rows_are_their_own, distance, message_of, run_layer

RANDOM = np.random.Generator(np.random.Philox(2))
MOST = np.finfo(np.float32).max


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-6), (np.float64, 1e-14)])
@pytest.mark.parametrize("shape", [(1,), (2,), (10,), (4, 3)], ids=str)
def test_agrees_with_its_definition(shape, dtype, tolerance):
    x, dy = (3 * RANDOM.standard_normal((2, 6, *shape))).astype(dtype)
    passed = run_layer(Softmax, x, dy)
    assert passed.y.dtype == passed.dx.dtype == dtype
    y = special.softmax(x.astype(np.float64), axis=-1)
    assert distance(passed.y, y) <= tolerance
    for place in np.ndindex(*y.shape[:-1]):
        jacobian = np.diag(y[place]) - np.outer(y[place], y[place])
        assert np.abs(passed.dx[place] - jacobian @ dy[place]).max() <= tolerance * 10


def test_differentiates():
    x, dy = RANDOM.standard_normal((2, 4, 2, 3))
    check_gradients(Softmax, 3 * x, dy, sizes=(1, 0, 3), tolerance=1e-13)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_takes_extreme_numbers_without_a_warning(dtype):
    x = np.array([[1e4, -1e4, 0], [MOST, -MOST, MOST], [-MOST, -MOST, -MOST]], dtype)
    passed = run_layer(Softmax, x, np.ones_like(x))
    assert passed.y == pytest.approx(np.array([[1, 0, 0], [0.5, 0, 0.5], [1 / 3] * 3]), rel=1e-6)
    assert np.abs(passed.dx).max() < 1e-6


def test_takes_no_rows():
    assert run_layer(Softmax, np.zeros((0, 2, 3)), np.zeros((0, 2, 3))).dx.shape == (0, 2, 3)


def test_refuses_samples_without_a_dimension():
    expected = "softmax takes samples of at least one dimension, got ()"
    assert message_of(ValueError, lambda: Softmax().build((), None)) == expected


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(1,), (5,), (10,), (33,), (1000,), (3, 7)], ids=str)
def test_the_bits_of_a_row_do_not_depend_on_the_rows_beside_it(shape, dtype):
    x, dy = RANDOM.standard_normal((2, 25, *shape)).astype(dtype)

    def run(x, dy):
        return run_layer(partial(Softmax), x, dy)[:2]

    check_rows_are_their_own(run, x, dy)
