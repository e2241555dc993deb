"""The p-norm of a row's errors."""

from __future__ import annotations

from functools import partial
from math import inf

import numpy as np
import pytest

from dtrain_plugins.losses.lp import Lp
from tests.plugins.support import STEP, check, check_rows_are_their_own, distance, message_of, run_loss

RANDOM = np.random.Generator(np.random.Philox(12))
POWERS = pytest.mark.parametrize("p", [1, 1.5, 2.0, 3.0, 50.0, inf, "inf"])


@POWERS
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-5), (np.float64, 1e-13)])
@pytest.mark.parametrize("shape", [(1,), (4,), (2, 3), ()], ids=str)
def test_is_the_norm_of_each_row(p, shape, dtype, tolerance):
    y, target = RANDOM.standard_normal((2, 6, *shape)).astype(dtype)
    values, dy = run_loss(Lp(p), y, target)
    assert (values.dtype, dy.dtype) == (np.float64, dtype)
    d = (y.astype(np.float64) - target).reshape(6, -1)
    expected = [np.linalg.norm(row, ord=float(p)) for row in d]
    assert distance(values, expected) <= tolerance
    # At the norm's own point the gradient has the dual norm 1 and its product with d is the norm.
    assert distance((dy.reshape(6, -1) * d).sum(axis=1), expected) <= 10 * tolerance
    dual = inf if float(p) == 1 else 1 if float(p) == inf else p / (p - 1)
    assert np.linalg.norm(dy.reshape(6, -1).astype(np.float64), ord=dual, axis=1) == pytest.approx(
        1, rel=1e-5
    )


@POWERS
def test_differentiates(p):
    y, target = RANDOM.standard_normal((2, 4, 3))
    expected = np.zeros_like(y)
    for at in np.ndindex(*y.shape):
        moved = y.astype(np.complex128)
        moved[at] += 1j * STEP
        expected[at] = run_loss(Lp(p), moved, target)[0].sum().imag / STEP
    assert distance(run_loss(Lp(p), y, target)[1], expected) < 1e-12


@POWERS
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_takes_extreme_errors_and_none_without_a_warning(p, dtype):
    y = np.array([[1e4, -1e4, 0], [0, 0, 0], [1e-30, 0, 0], [1e37, 0, 0]], dtype)
    values, dy = run_loss(Lp(p), y, np.zeros((4, 3)))
    top = 1e4 * (1 if float(p) == inf else 2 ** (1 / p))
    assert values == pytest.approx([top, 0, 1e-30, 1e37], rel=1e-6)
    assert list(dy[1]) == [0, 0, 0]
    assert list(dy[2]) == list(dy[3]) == [1, 0, 0]
    assert np.isfinite(dy).all()


def test_is_the_euclidean_norm_by_default():
    assert run_loss(Lp(), np.array([[3.0, 4.0]]), np.zeros((1, 2)))[0][0] == pytest.approx(5)


def test_of_equal_largest_errors_the_first_is_moved():
    assert run_loss(Lp("inf"), np.array([[1.0, -2.0, 2.0]]), np.zeros((1, 3)))[1].tolist() == [[0, -1, 0]]


def test_a_single_output_takes_plain_targets_of_whole_numbers():
    y, target = np.array([[1.0], [5.0]], np.float32), np.array([3, 4], np.uint8)
    for p in (1.0, 2.0, "inf"):
        check(Lp(p), target, (1,))
        values, dy = run_loss(Lp(p), y, target)
        assert list(values) == [2, 1]
        assert dy.tolist() == [[-1], [1]]
        assert (values.dtype, dy.dtype) == (np.float64, np.float32)


@POWERS
def test_takes_no_rows(p):
    values, dy = run_loss(Lp(p), np.zeros((0, 2, 3)), np.zeros((0, 2, 3)))
    assert values.shape == (0,)
    assert dy.shape == (0, 2, 3)


@pytest.mark.parametrize("p", [0.5, -1.0, float("nan")])
def test_refuses_a_p_that_is_no_norm(p):
    assert message_of(ValueError, lambda: Lp(p)) == f'p must be at least 1, or "inf", got {p}'


def test_refuses_targets_that_do_not_fit():
    assert message_of(ValueError, lambda: check(Lp(), None, (3,))) == (
        "expected a target for every sample, got data without targets"
    )
    assert message_of(ValueError, lambda: check(Lp(), np.zeros((4, 2)), (3,))) == (
        "expected numbers for a network that gives (3,) a sample, but the target has shape (2,), not (3,)"
    )


@POWERS
@pytest.mark.parametrize("shape", [(1,), (5,), (33,), (1000,)], ids=str)
def test_the_bits_of_a_row_do_not_depend_on_the_rows_beside_it(p, shape):
    y, target = RANDOM.standard_normal((2, 12, *shape)).astype(np.float32)
    check_rows_are_their_own(partial(run_loss, Lp(p)), y, target)
