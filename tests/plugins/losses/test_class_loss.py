"""Label smoothing, class weights and soft targets, of both cross entropies."""

from __future__ import annotations

from functools import partial
from math import inf, nan

import numpy as np
import pytest
from scipy.special import log_softmax, softmax
from sklearn.metrics import log_loss

from dtrain import ConfigError, Optimizer
from dtrain.communicator import run_ranks
from dtrain.contracts import ArrayRows
from dtrain_plugins.losses.cross_entropy import CrossEntropy
from dtrain_plugins.losses.softmax_cross_entropy import SoftmaxCrossEntropy
from tests.plugins.support import (
    STEP,
    check,
    check_rows_are_their_own,
    distance,
    frozen,
    lone_context,
    message_of,
)
from tests.support import Job, Scale, assert_other_bits, assert_same_bits, named, network

RANDOM = np.random.Generator(np.random.Philox(17))
LOSSES = {"cross_entropy": CrossEntropy, "softmax_cross_entropy": SoftmaxCrossEntropy}
WEIGHTS = [0.5, 2.0, 1.0]
OPTIONS = [
    {},
    {"label_smoothing": 0.1},
    {"class_weights": WEIGHTS},
    {"label_smoothing": 0.3, "class_weights": WEIGHTS},
]
each_loss = pytest.mark.parametrize("make", LOSSES.values(), ids=LOSSES)
each_option = pytest.mark.parametrize("options", OPTIONS, ids=str)
each_shape = pytest.mark.parametrize("shape", [(3,), (4, 3), (2, 2, 3)], ids=str)


def outputs(make, rows, shape):
    """What this loss takes: logits, or probabilities."""
    y = RANDOM.standard_normal((rows, *shape)) * 2
    return softmax(y, axis=-1) if make is CrossEntropy else y


def distributions(rows, shape):
    q = RANDOM.uniform(0, 1, (rows, *shape))
    return q / q.sum(axis=-1, keepdims=True)


def passed(loss, y, target):
    """Returns (values, weights, dy); weights are ones where the loss gives none."""
    values, backward = loss.forward(frozen(y), frozen(target), lone_context(len(y)))
    values, weights = values if isinstance(values, tuple) else (values, np.ones(len(y), y.dtype))
    return np.array(values), np.array(weights), backward().copy()


def by_hand(make, y, target, label_smoothing=0.0, class_weights=None):
    """Values and weights, place by place and class by class, as PyTorch's documentation has them."""
    log_p = np.log(y) if make is CrossEntropy else log_softmax(y, axis=-1)
    w = [1.0] * y.shape[-1] if class_weights is None else class_weights
    places = y.shape[1:-1]
    values, weights = np.zeros(len(y)), np.zeros(len(y))
    for at in np.ndindex(len(y), *places):
        soft = target.dtype.kind == "f"
        for j in range(y.shape[-1]):
            q = target[at][j] if soft else float(target[at] == j)
            q = (1 - label_smoothing) * q + label_smoothing / y.shape[-1]
            values[at[0]] -= w[j] * q * log_p[at][j]
        weights[at[0]] += (1 if soft else w[target[at]]) / np.prod(places, initial=1)
    return values, weights


@each_shape
@each_option
@pytest.mark.parametrize("soft", [False, True], ids=["classes", "distributions"])
@each_loss
def test_agrees_with_the_definition_place_by_place(make, soft, options, shape):
    y = outputs(make, 5, shape)
    target = distributions(5, shape) if soft else RANDOM.integers(3, size=(5, *shape[:-1]))
    loss = make(**options)
    check(loss, target, shape)
    values, weights, _ = passed(loss, y, target)
    expected = by_hand(make, y, target, **options)
    assert distance(values, expected[0]) < 1e-14
    assert distance(weights, expected[1]) < 1e-14
    single = passed(loss, y.astype(np.float32), target.astype(np.float32) if soft else target)
    assert "".join(array.dtype.char for array in single) in ("dff", "fff")
    assert distance(single[0], expected[0]) < 1e-6


@each_loss
def test_a_weighted_mean_agrees_with_scikit_learn(make):
    y, target = outputs(make, 30, (3,)), RANDOM.integers(3, size=30)
    p = y if make is CrossEntropy else softmax(y, axis=1)
    values, weights, _ = passed(make(class_weights=WEIGHTS), y, target)
    expected = log_loss(target, p, sample_weight=np.array(WEIGHTS)[target])
    assert values.sum() / weights.sum() == pytest.approx(expected, rel=1e-13)
    assert values.mean() != pytest.approx(expected, rel=1e-3)  # nor is it a mean over the rows


@each_loss
def test_a_class_as_a_distribution_is_that_class(make):
    y, target = outputs(make, 6, (4, 3)), RANDOM.integers(3, size=(6, 4))
    for options in OPTIONS[:2]:
        hard, soft = (passed(make(**options), y, t) for t in (target, np.eye(3)[target]))
        assert distance(soft[0], hard[0]) < 1e-15
        assert distance(soft[2], hard[2]) < 1e-15


@each_loss
def test_equal_weights_change_nothing(make):
    y, target = outputs(make, 6, (4, 3)), RANDOM.integers(3, size=(6, 4))
    plain, equal = passed(make(), y, target), passed(make(class_weights=[2.0] * 3), y, target)
    assert distance(equal[0].sum() / equal[1].sum(), plain[0].sum() / plain[1].sum()) < 1e-15
    assert (equal[1] == 2).all()


@each_shape
@each_option
@pytest.mark.parametrize("soft", [False, True], ids=["classes", "distributions"])
@each_loss
def test_differentiates(make, soft, options, shape):
    y = outputs(make, 3, shape)
    target = distributions(3, shape) if soft else RANDOM.integers(3, size=(3, *shape[:-1]))
    expected = np.zeros_like(y)
    for at in np.ndindex(*y.shape):
        moved = y.astype(np.complex128)
        moved[at] += 1j * STEP
        expected[at] = passed(make(**options), moved, target)[0].sum().imag / STEP
    assert distance(passed(make(**options), y, target)[2], expected) < 1e-13


@pytest.mark.parametrize("soft", [False, True], ids=["classes", "distributions"])
@each_option
@each_loss
def test_the_bits_of_a_row_do_not_depend_on_the_rows_beside_it(make, options, soft):
    y = outputs(make, 12, (7, 3)).astype(np.float32)
    target = distributions(12, (7, 3)).astype(np.float32) if soft else RANDOM.integers(3, size=(12, 7))
    check_rows_are_their_own(partial(passed, make(**options)), y, target)


@each_option
@pytest.mark.parametrize("soft", [False, True], ids=["classes", "distributions"])
@each_loss
def test_takes_no_rows(make, soft, options):
    target = np.zeros((0, 2, 3)) if soft else np.zeros((0, 2), int)
    check(make(**options), target, (2, 3))
    values, weights, dy = passed(make(**options), np.zeros((0, 2, 3)), target)
    assert (values.shape, weights.shape, dy.shape) == ((0,), (0,), (0, 2, 3))


def trained(make, shards=8, **options):
    """What a job of 97 rows, of which most are of one class, leaves: the weights, and the loss of its last step."""
    random = np.random.Generator(np.random.Philox(3))
    data = ArrayRows(
        random.standard_normal((97, 3), np.float32), np.maximum(random.integers(-4, 3, size=97), 0)
    )

    class Descent(Optimizer):
        slots, by_role, lr = (), False, 3.0

        def update(self, value, gradient, context):
            value -= self.lr * gradient

    def body(communicator):
        net = network(named(Scale()), (3,))
        job = Job(communicator, net, make(**options), Descent(), data, batch_size=97, shards=shards)
        assert all(job.train(8))
        return net.parameters[0].value.copy(), job.step.sums[0] / job.step.sums[1]

    return body


def test_a_weighted_mean_is_the_same_on_any_number_of_ranks():
    of = partial(trained, SoftmaxCrossEntropy, class_weights=WEIGHTS)
    whole = run_ranks(1, of())[0]
    for ranks in (2, 3, 5):
        for share in (True, False):
            for weight, loss in run_ranks(ranks, of(), share):
                assert_same_bits(weight, whole[0])
                assert loss == whole[1]
    assert_other_bits(run_ranks(1, trained(SoftmaxCrossEntropy))[0][0], whole[0])
    assert_other_bits(run_ranks(3, of(shards="ranks"))[0][0], whole[0])
    assert run_ranks(3, of(shards="ranks"))[0][1] == pytest.approx(whole[1], rel=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@each_option
def test_extreme_logits_are_finite_and_right(options, dtype):
    y = np.array([[1e4, -1e4, 0], [-1e4, -1e4, -1e4], [3e37, 0, -3e37]], dtype)
    target = np.array([1, 2, 0])
    values, _, dy = passed(SoftmaxCrossEntropy(**options), y, target)
    wide = y.astype(np.float64)
    assert distance(values, by_hand(SoftmaxCrossEntropy, wide, target, **options)[0]) < 1e-6
    assert np.isfinite(dy).all()


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize(
    ("target", "shape", "message"),
    [
        (np.zeros(4), (3,), "is float64, not whole numbers, and has shape (), not (3,)"),
        (np.eye(2, dtype=np.float32), (3,), "has shape (2,), not (), and has shape (2,), not (3,)"),
        (np.array([[1.5, -0.5, 0]]), (3,), "has shape (3,), not (), and holds -0.5"),
        (np.array([[0, nan, 0]]), (3,), "has shape (3,), not (), and holds nan"),
        (
            np.array([[[0.5, 0.5, 0], [0.5, 0.25, 0]]]), (2, 3),
            "has shape (2, 3), not (2,), and adds up to 0.75, not to 1",
        ),
        (np.array([[inf, 0.0, 0]]), (3,), "has shape (3,), not (), and adds up to inf, not to 1"),
    ],
)  # fmt: skip
def test_refuses_targets_that_are_no_distributions(name, target, shape, message):
    assert message_of(ValueError, lambda: check(LOSSES[name](), target, shape)) == (
        f"expected classes or distributions over classes for a network that gives {shape} a sample, "
        f"but the target {message}"
    )


@each_loss
def test_takes_distributions_that_add_up_to_1_but_for_rounding(make):
    check(make(), np.array([[0.333, 0.333, 0.3335]]), (3,))
    check(make(), np.array([[0.1, 0.2, 0.7]], np.float32), (3,))


@each_loss
def test_refuses_distributions_that_a_transform_made_over_other_classes(make):
    call = partial(make().forward, np.ones((2, 3)), np.full((2, 4), 0.25), lone_context(2))
    assert message_of(ConfigError, call) == (
        "[loss]: expected distributions of the network's shape (3,), got (4,); "
        "give the transform that makes them as many classes as the network has outputs"
    )


@each_loss
@pytest.mark.parametrize("smoothing", [-0.1, 1.0, nan])
def test_refuses_a_smoothing_out_of_range(make, smoothing):
    assert message_of(ValueError, lambda: make(label_smoothing=smoothing)) == (
        f"label_smoothing must be in [0, 1), got {smoothing}"
    )


@each_loss
@pytest.mark.parametrize("weights", [[], [0.0, 0.0], [1.0, -1.0], [1.0, inf], [nan, 1.0]], ids=str)
def test_refuses_weights_that_are_none(make, weights):
    assert message_of(ValueError, lambda: make(class_weights=weights)) == (
        f"class_weights must be at least 0, not all of them 0, got {weights}"
    )


@each_loss
@pytest.mark.parametrize("target", [np.array([0, 1]), np.array([[0, 1, 0, 0.0]])], ids=["hard", "soft"])
def test_refuses_as_many_weights_as_there_are_no_outputs(make, target):
    call = partial(check, make(class_weights=WEIGHTS), target, (4,))
    assert message_of(ValueError, call) == (
        "expected as many class_weights as the network has outputs, 4, got 3"
    )
