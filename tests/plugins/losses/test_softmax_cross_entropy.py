"""Cross entropy of a softmax."""

from __future__ import annotations

from functools import partial
from math import exp, fsum, log

import numpy as np
import pytest
from scipy.special import logsumexp, softmax

from dtrain_plugins.losses.softmax_cross_entropy import SoftmaxCrossEntropy
from tests.plugins.support import (
    STEP,
    check,
    check_rows_are_their_own,
    distance,
    lone_context,
    message_of,
    run_loss,
)

LOSS = SoftmaxCrossEntropy()
RANDOM = np.random.Generator(np.random.Philox(7))


def by_hand(y, target):
    """Value and gradient of one place, from the definition."""
    exponentials = [exp(float(v)) for v in y]
    total = fsum(exponentials)
    dy = [e / total - (k == target) for k, e in enumerate(exponentials)]
    return log(total) - float(y[target]), dy


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-6), (np.float64, 1e-14)])
@pytest.mark.parametrize("classes", [1, 2, 10])
def test_agrees_with_the_definition(classes, dtype, tolerance):
    y = RANDOM.standard_normal((9, classes)).astype(dtype) * 3
    target = RANDOM.integers(classes, size=9)
    values, dy = run_loss(LOSS, y, target)
    assert values.dtype == dy.dtype == dtype
    expected = [by_hand(row, k) for row, k in zip(y, target, strict=True)]
    assert np.abs(values - [value for value, _ in expected]).max() <= 10 * tolerance
    assert np.abs(dy - [row for _, row in expected]).max() <= tolerance


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_takes_extreme_logits_without_a_warning(dtype):
    y = np.array([[1e4, -1e4, 0], [-1e4, -1e4, -1e4], [1e4, 1e4, -1e4], [3e38, -3e37, 0]], dtype)
    target = np.array([1, 2, 0, 0])
    values, dy = run_loss(LOSS, y, target)
    wide = y.astype(np.float64)
    expected = logsumexp(wide, axis=1) - wide[range(4), target]
    assert distance(values, expected) < 1e-7
    assert distance(dy, softmax(wide, axis=1) - np.eye(3)[target]) < 1e-7
    assert distance(LOSS.predict(y), softmax(wide, axis=1)) < 1e-7


@pytest.mark.parametrize("shape", [(4,), (2, 3)], ids=str)
def test_adds_up_the_places_of_a_row(shape):
    y = RANDOM.standard_normal((5, *shape, 6))
    target = RANDOM.integers(6, size=(5, *shape))
    values, dy = run_loss(LOSS, y, target)
    for row in range(5):
        pairs = [by_hand(y[row][place], target[row][place]) for place in np.ndindex(*shape)]
        assert values[row] == pytest.approx(fsum(value for value, _ in pairs), rel=1e-13)
        for place, (_, expected) in zip(np.ndindex(*shape), pairs, strict=True):
            assert distance(dy[row][place], expected) < 1e-14


def test_differentiates():
    y = RANDOM.standard_normal((4, 3, 5)) * 3
    target = RANDOM.integers(5, size=(4, 3))
    _, dy = run_loss(LOSS, y, target)
    expected = np.zeros_like(y)
    for at in np.ndindex(*y.shape):
        moved = y.astype(np.complex128)
        moved[at] += 1j * STEP
        expected[at] = run_loss(LOSS, moved, target)[0].sum().imag / STEP
    assert distance(dy, expected) < 1e-13


@pytest.mark.parametrize("shape", [(3,), (4, 3), (2, 2, 3)], ids=str)
def test_takes_no_rows(shape):
    y = np.zeros((0, *shape), np.float32)
    values, dy = run_loss(LOSS, y, np.zeros((0, *shape[:-1]), np.int64))
    assert values.shape == (0,)
    assert dy.shape == y.shape
    assert LOSS.predict(y).shape == y.shape


@pytest.mark.parametrize("dtype", ["u1", "i1", "i2", "u4", "i4", "i8", "u8"])
def test_takes_classes_of_any_whole_type(dtype):
    y = RANDOM.standard_normal((6, 4)).astype(np.float32)
    target = np.array([0, 1, 2, 3, 1, 0])
    check(LOSS, target.astype(dtype), (4,))
    for expected, got in zip(run_loss(LOSS, y, target), run_loss(LOSS, y, target.astype(dtype)), strict=True):
        assert (expected == got).all()


def test_predicts_probabilities():
    y = RANDOM.standard_normal((5, 2, 7)).astype(np.float32) * 5
    p = LOSS.predict(y)
    assert p.dtype == np.float32
    assert distance(p, softmax(y.astype(np.float64), axis=-1)) < 1e-6
    assert np.abs(p.sum(axis=-1) - 1).max() < 1e-6


def test_backward_leaves_the_output_alone():
    y = RANDOM.standard_normal((5, 3))
    before = y.copy()
    LOSS.forward(y, np.zeros(5, int), lone_context(5))[1]()
    assert (y == before).all()


@pytest.mark.parametrize(
    ("target", "shape", "message"),
    [
        (None, (3,), "expected a target for every sample, got data without targets"),
        (
            np.zeros((4, 1), int), (3,),
            "expected classes or distributions over classes for a network that gives (3,) a sample, "
            "but the target has shape (1,), not (), and has shape (1,), not (3,)",
        ),
        (
            np.eye(3, dtype=int), (2, 3),
            "expected classes or distributions over classes for a network that gives (2, 3) a sample, "
            "but the target has shape (3,), not (2,), and has shape (3,), not (2, 3)",
        ),
        (
            np.array([0, 1, 3]), (3,),
            "expected classes 0 to 2, one for each output of the network, but the target holds 3; "
            "correct the data, or give the last layer more units",
        ),
        (
            np.array([0, -1, 7]), (3,),
            "expected classes or distributions over classes for a network that gives (3,) a sample, "
            "but the target holds -1, and has shape (), not (3,)",
        ),
    ],
)  # fmt: skip
def test_refuses_targets_that_do_not_fit(target, shape, message):
    assert message_of(ValueError, lambda: check(LOSS, target, shape)) == message


@pytest.mark.parametrize(
    "target",
    [np.array([0, 2]), np.zeros(0, int), np.array([2], np.uint8), np.zeros(4, bool), np.eye(3, dtype=int)],
    ids=str,
)
def test_accepts_targets_that_fit(target):
    check(LOSS, target, (3,))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(1,), (2,), (5,), (10,), (33,), (100,), (1000,), (3, 7)], ids=str)
def test_the_bits_of_a_row_do_not_depend_on_the_rows_beside_it(shape, dtype):
    y = (RANDOM.standard_normal((35, *shape)) * 3).astype(dtype)
    target = RANDOM.integers(shape[-1], size=(35, *shape[:-1]))
    check_rows_are_their_own(partial(run_loss, LOSS), y, target)
