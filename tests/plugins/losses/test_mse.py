"""The mean squared error."""

from __future__ import annotations

from functools import partial
from math import fsum

import numpy as np
import pytest

from dtrain_plugins.losses.mse import Mse
from tests.plugins.support import STEP, check, check_rows_are_their_own, distance, message_of, run_loss

SHAPE = "expected numbers for a network that gives {0} a sample, but the target has shape {1}, not {0}"
LOSS = Mse()
RANDOM = np.random.Generator(np.random.Philox(9))


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-6), (np.float64, 1e-14)])
@pytest.mark.parametrize("shape", [(1,), (4,), (2, 3), ()], ids=str)
def test_is_the_mean_of_squares_over_the_outputs_of_a_row(shape, dtype, tolerance):
    y, target = RANDOM.standard_normal((2, 6, *shape)).astype(dtype)
    values, dy = run_loss(LOSS, y, target)
    assert (values.dtype, dy.dtype) == (np.float64, dtype)
    for row in range(6):
        differences = [float(a) - float(b) for a, b in zip(y[row].flat, target[row].flat, strict=True)]
        assert values[row] == pytest.approx(
            fsum(d * d for d in differences) / len(differences), rel=tolerance
        )
        expected = [2 * d / len(differences) for d in differences]
        assert distance(dy[row].ravel(), expected) <= tolerance


def test_differentiates():
    y, target = RANDOM.standard_normal((2, 4, 3))
    expected = np.zeros_like(y)
    for at in np.ndindex(*y.shape):
        moved = y.astype(np.complex128)
        moved[at] += 1j * STEP
        expected[at] = run_loss(LOSS, moved, target)[0].sum().imag / STEP
    assert distance(run_loss(LOSS, y, target)[1], expected) < 1e-14


def test_a_single_output_takes_plain_targets():
    y, target = np.array([[1.0], [5.0]]), np.array([3.0, 4.0])
    check(LOSS, target, (1,))
    values, dy = run_loss(LOSS, y, target)
    assert list(values) == [4, 1]
    assert dy.tolist() == [[-4], [2]]


@pytest.mark.parametrize("dtype", ["u1", "i4", "i8", "u8", "?"])
def test_takes_whole_numbers_as_targets(dtype):
    values, dy = run_loss(LOSS, np.array([[0.5], [3.0]], np.float32), np.array([1, 0], dtype))
    assert list(values) == [0.25, 9]
    assert dy.tolist() == [[-1], [6]]
    assert (values.dtype, dy.dtype) == (np.float64, np.float32)


def test_takes_no_rows():
    values, dy = run_loss(LOSS, np.zeros((0, 2, 3)), np.zeros((0, 2, 3)))
    assert values.shape == (0,)
    assert dy.shape == (0, 2, 3)


def test_users_see_the_output_itself():
    y = RANDOM.standard_normal((4, 3))
    assert LOSS.predict(y) is y


@pytest.mark.parametrize(
    ("target", "shape", "message"),
    [
        (None, (3,), "expected a target for every sample, got data without targets"),
        (np.zeros((4, 2)), (3,), SHAPE.format((3,), (2,))),
        (np.zeros(4), (3,), SHAPE.format((3,), ())),
        (np.zeros((4, 1)), (1, 1), SHAPE.format((1, 1), (1,)) + " or ()"),
        (
            np.zeros((4, 3), bool),
            (3,),
            "expected numbers for a network that gives (3,) a sample, but the target is bool",
        ),
    ],
)
def test_refuses_targets_that_do_not_fit(target, shape, message):
    assert message_of(ValueError, lambda: check(LOSS, target, shape)) == message


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(1,), (5,), (10,), (33,), (1000,), (3, 7)], ids=str)
def test_the_bits_of_a_row_do_not_depend_on_the_rows_beside_it(shape, dtype):
    y, target = RANDOM.standard_normal((2, 35, *shape)).astype(dtype)
    check_rows_are_their_own(partial(run_loss, LOSS), y, target)
