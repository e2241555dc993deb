"""The losses of classes: cross_entropy on probabilities, and the multi-class hinge."""

from __future__ import annotations

from functools import partial
from math import log

import numpy as np
import pytest
from sklearn.metrics import hinge_loss

from dtrain_plugins.losses.cross_entropy import CrossEntropy
from dtrain_plugins.losses.hinge import Hinge
from dtrain_plugins.losses.softmax_cross_entropy import SoftmaxCrossEntropy
from tests.plugins.support import STEP, check, check_rows_are_their_own, distance, message_of, run_loss

RANDOM = np.random.Generator(np.random.Philox(13))
LOSSES = {"cross_entropy": CrossEntropy(), "hinge": Hinge(multi_class=True)}
every = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)


def cross_entropy_by_hand(y, k):
    return -log(y[k]), [-1 / y[k] if j == k else 0 for j in range(len(y))]


def hinge_by_hand(y, k):
    rivals = [j for j in range(len(y)) if j != k]
    rival = max(rivals, key=lambda j: y[j])
    value = max(0.0, 1 + y[rival] - y[k])
    return value, [(value > 0) * ((j == rival) - (j == k)) for j in range(len(y))]


@every
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-5), (np.float64, 1e-13)])
@pytest.mark.parametrize("shape", [(2,), (5,), (4, 3), (2, 2, 3)], ids=str)
def test_agrees_with_its_definition_place_by_place(loss, shape, dtype, tolerance):
    y = RANDOM.uniform(0.05, 2, (6, *shape)).astype(dtype)
    target = RANDOM.integers(shape[-1], size=(6, *shape[:-1]))
    by_hand = cross_entropy_by_hand if isinstance(loss, CrossEntropy) else hinge_by_hand
    values, dy = run_loss(loss, y, target)
    assert (values.dtype, dy.dtype) == (np.float64, dtype)
    for row in range(6):
        total = 0.0
        for place in np.ndindex(*shape[:-1]):
            value, slope = by_hand([float(v) for v in y[row][place]], int(target[row][place]))
            total += value
            assert distance(dy[row][place], slope) <= tolerance
        assert values[row] == pytest.approx(total, rel=tolerance)


def test_hinge_agrees_with_scikit_learn():
    y, target = RANDOM.standard_normal((30, 4)), RANDOM.integers(4, size=30)
    assert run_loss(LOSSES["hinge"], y, target)[0].mean() == pytest.approx(hinge_loss(target, y), rel=1e-13)
    signs = RANDOM.choice([-1, 1], 30)
    assert run_loss(Hinge(), y[:, :1], signs)[0].mean() == pytest.approx(
        hinge_loss(signs, y[:, 0]), rel=1e-13
    )


def test_cross_entropy_of_a_softmax_is_softmax_cross_entropy():
    y, target = RANDOM.standard_normal((8, 2, 5)), RANDOM.integers(5, size=(8, 2))
    fused = SoftmaxCrossEntropy()
    p = fused.predict(y)
    values, dp = run_loss(LOSSES["cross_entropy"], p, target)
    expected, dy = run_loss(fused, y, target)
    assert distance(values, expected) < 1e-14
    assert distance(p * (dp - (dp * p).sum(axis=-1, keepdims=True)), dy) < 1e-13


@every
def test_differentiates(loss):
    y, target = RANDOM.uniform(0.1, 2, (4, 3, 5)), RANDOM.integers(5, size=(4, 3))
    expected = np.zeros_like(y)
    for at in np.ndindex(*y.shape):
        moved = y.astype(np.complex128)
        moved[at] += 1j * STEP
        expected[at] = run_loss(loss, moved, target)[0].sum().imag / STEP
    assert distance(run_loss(loss, y, target)[1], expected) < 1e-13


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_certain_probabilities_are_finite(dtype):
    y = np.array([[0, 1, 0], [0, 1, 0]], dtype)
    values, dy = run_loss(LOSSES["cross_entropy"], y, np.array([1, 2]))
    least = {np.float32: 1e-14, np.float64: 1e-20}[dtype]
    assert values == pytest.approx([0, -log(least)], rel=1e-6)
    assert dy == pytest.approx(np.array([[0, -1, 0], [0, 0, -1 / least]]), rel=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_hinge_takes_extreme_scores(dtype):
    y = np.array([[1e4, -1e4, 0], [1e4, -1e4, 0], [0, 0, 0]], dtype)
    values, dy = run_loss(LOSSES["hinge"], y, np.array([0, 1, 2]))
    assert values == pytest.approx([0, 20001, 1])
    assert dy.tolist() == [[0, 0, 0], [1, -1, 0], [1, 0, -1]]


@every
@pytest.mark.parametrize("shape", [(3,), (2, 2, 3)], ids=str)
def test_takes_no_rows(loss, shape):
    values, dy = run_loss(loss, np.zeros((0, *shape)), np.zeros((0, *shape[:-1]), int))
    assert values.shape == (0,)
    assert dy.shape == (0, *shape)


@every
@pytest.mark.parametrize("dtype", ["u1", "i4", "i8", "u8"])
def test_takes_classes_of_any_whole_type(loss, dtype):
    y, target = RANDOM.uniform(0.1, 1, (4, 3)).astype(np.float32), np.array([0, 1, 2, 1])
    check(loss, target.astype(dtype), (3,))
    values, dy = run_loss(loss, y, target.astype(dtype))
    assert (values.dtype, dy.dtype) == (np.float64, np.float32)
    for got, expected in zip((values, dy), run_loss(loss, y, target), strict=True):
        assert (got == expected).all()


@every
@pytest.mark.parametrize("shape", [(2,), (10,), (100,), (3, 7)], ids=str)
def test_the_bits_of_a_row_do_not_depend_on_the_rows_beside_it(loss, shape):
    y = RANDOM.uniform(0.1, 1, (12, *shape)).astype(np.float32)
    check_rows_are_their_own(partial(run_loss, loss), y, RANDOM.integers(shape[-1], size=(12, *shape[:-1])))


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize(
    ("target", "shape", "message"),
    [
        (None, (3,), "expected a target for every sample, got data without targets"),
        (
            np.array([0, 3]), (3,),
            "expected classes 0 to 2, one for each output of the network, but the target holds 3; "
            "correct the data, or give the last layer more units",
        ),
    ],
)  # fmt: skip
def test_refuses_targets_that_do_not_fit(name, target, shape, message):
    assert message_of(ValueError, lambda: check(LOSSES[name], target, shape)) == message


@pytest.mark.parametrize(
    ("target", "shape", "reason"),
    [
        (np.array([0, -1, 7]), (3,), "holds -1"),
        (np.zeros(4), (3,), "is float64, not whole numbers"),
        (np.zeros(4, int), (), "has shape (), not one for outputs (…, K)"),
        (np.full((4, 3), 2), (2, 3), "has shape (3,), not (2,)"),
    ],
    ids=str,
)
def test_hinge_refuses_targets_that_are_no_classes(target, shape, reason):
    assert message_of(ValueError, lambda: check(LOSSES["hinge"], target, shape)) == (
        f"expected classes for a network that gives {shape} a sample, but the target {reason}"
    )


def test_hinge_refuses_a_single_class():
    assert message_of(ValueError, lambda: check(LOSSES["hinge"], np.zeros(3, int), (1,))) == (
        "expected at least two outputs, one a class, with multi_class, got (1,)"
    )
