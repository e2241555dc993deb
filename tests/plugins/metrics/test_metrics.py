"""The metrics, each against scikit-learn's figure or a definition, with the sums cut as shards cut them."""

from __future__ import annotations

from math import exp, inf, isnan, log, sqrt

import numpy as np
import pytest
from scipy import special
from sklearn import metrics as reference

from dtrain.trainer.figures import Figures
from dtrain_plugins.losses.poisson import Poisson
from dtrain_plugins.metrics.accuracy import Accuracy
from dtrain_plugins.metrics.binary_accuracy import BinaryAccuracy
from dtrain_plugins.metrics.mean_absolute_error import MeanAbsoluteError
from dtrain_plugins.metrics.perplexity import Perplexity
from dtrain_plugins.metrics.r2 import R2
from dtrain_plugins.metrics.root_mean_squared_error import RootMeanSquaredError
from dtrain_plugins.metrics.top_k_accuracy import TopKAccuracy
from tests.plugins.support import frozen, lone_context, message_of

RANDOM = np.random.Generator(np.random.Philox(21))


def figure(metric, y, target, cuts=(3, 3, 10)):
    """The figure from sums over shards, one of them empty; (rows,) and (rows, k) as the contract has them."""
    y, target = frozen(y), frozen(target)
    sums = 0
    for a, b in zip(np.split(y, cuts), np.split(target, cuts), strict=True):
        values = np.asarray(metric.forward(a, b, lone_context(len(a))), np.float64)
        assert len(values) == len(a)
        assert values.ndim in (1, 2)
        sums = sums + (values[:, None] if values.ndim == 1 else values).sum(axis=0)
    result = metric.result(sums, len(y))
    assert isinstance(result, float)
    return result


dtypes = pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-5), (np.float64, 1e-12)])


@dtypes
@pytest.mark.parametrize("shape", [(1,), (4,), (2, 3)], ids=str)
def test_errors_agree_with_scikit_learn(shape, dtype, tolerance):
    y, target = RANDOM.standard_normal((2, 30, *shape)).astype(dtype)
    flat = target.reshape(30, -1).astype(float), y.reshape(30, -1).astype(float)
    assert figure(MeanAbsoluteError(), y, target) == pytest.approx(
        reference.mean_absolute_error(*flat), rel=tolerance
    )
    assert figure(RootMeanSquaredError(), y, target) == pytest.approx(
        sqrt(reference.mean_squared_error(*flat)), rel=tolerance
    )
    assert figure(R2(), y, target) == pytest.approx(reference.r2_score(*flat), rel=10 * tolerance)


@pytest.mark.parametrize("metric", [MeanAbsoluteError(), RootMeanSquaredError(), R2()])
def test_a_single_output_takes_plain_targets_of_whole_numbers(metric):
    y, target = RANDOM.standard_normal((20, 1)), RANDOM.integers(0, 9, 20)
    expected = figure(metric, y, target[:, None].astype(float))
    for dtype in ("u1", "i8", "f4"):
        assert figure(metric, y, target.astype(dtype)) == expected


@pytest.mark.parametrize("make", [MeanAbsoluteError, RootMeanSquaredError, R2])
def test_errors_are_those_of_what_the_loss_predicts(make):
    metric = make()
    y, target = RANDOM.standard_normal((20, 1)), RANDOM.integers(0, 9, 20)
    of_rates = figure(metric, np.exp(y), target)
    assert figure(metric, y, target) != of_rates
    Figures(Poisson(log_rates=True), {"it": metric})
    assert figure(metric, y, target) == of_rates


def test_r2_of_a_far_mean_keeps_its_digits():
    target = 1e4 + RANDOM.standard_normal((500, 1))
    y = target + 0.5 * RANDOM.standard_normal((500, 1))
    assert figure(R2(), y, target) == pytest.approx(reference.r2_score(target, y), rel=1e-6)


@pytest.mark.parametrize("value", [0.0, 0.1, 7.0, 1e6])
def test_r2_of_constant_targets_is_1_if_right_and_0_if_not(value):
    target = np.full((20, 1), value)
    assert figure(R2(), target, target) == 1
    assert figure(R2(), target + 1, target) == 0


def test_r2_is_the_mean_over_outputs():
    target = RANDOM.standard_normal((20, 2))
    y = np.stack([target[:, 0], np.full(20, target[:, 1].mean())], axis=1)
    assert figure(R2(), y, target) == pytest.approx(0.5)


@pytest.mark.parametrize("k", [1, 2, 3, 7, 9])
@pytest.mark.parametrize("dtype", ["u1", "i4", "i8"])
def test_top_k_agrees_with_scikit_learn(k, dtype):
    y, target = RANDOM.standard_normal((40, 7)), RANDOM.integers(7, size=40).astype(dtype)
    expected = reference.top_k_accuracy_score(target, y, k=k, labels=range(7)) if k < 7 else 1
    assert figure(TopKAccuracy(k), y, target) == pytest.approx(expected)


def test_top_1_is_accuracy_also_where_outputs_are_equal():
    y = RANDOM.integers(3, size=(50, 4, 5)).astype(float)
    target = RANDOM.integers(5, size=(50, 4))
    assert figure(TopKAccuracy(1), y, target) == pytest.approx(figure(Accuracy(), y, target))
    assert figure(TopKAccuracy(), y, target) == 1  # 5 by default


def test_an_output_that_is_no_number_does_not_count_as_right():
    assert figure(TopKAccuracy(2), np.full((20, 5), np.nan), np.zeros(20, int)) == 0
    assert figure(BinaryAccuracy(), np.full((20, 1), np.nan), np.ones(20)) == 0


@pytest.mark.parametrize(
    ("threshold", "target"), [(0.5, [0, 1]), (0.0, [-1, 1]), (0.2, [0.4, 0.6]), (0.5, [False, True])], ids=str
)
def test_binary_accuracy_compares_sides(threshold, target):
    y = RANDOM.uniform(-1, 1, (40, 1))
    classes = RANDOM.integers(2, size=40)
    expected = reference.accuracy_score(classes, y[:, 0] > threshold)
    assert figure(BinaryAccuracy(threshold), y, np.array(target)[classes]) == pytest.approx(expected)


def test_binary_accuracy_is_a_mean_over_outputs_with_a_threshold_of_a_half():
    y = np.array([[0.4, 0.6], [0.5, 0.51]] * 10)
    assert figure(BinaryAccuracy(), y, np.array([[0, 0], [0, 1]] * 10)) == 0.75
    assert figure(BinaryAccuracy(), y.reshape(20, 1, 2), np.zeros((20, 1, 2))) == 0.5


@dtypes
@pytest.mark.parametrize("shape", [(5,), (4, 5), (2, 2, 5)], ids=str)
def test_perplexity_agrees_with_scikit_learn(shape, dtype, tolerance):
    y = (3 * RANDOM.standard_normal((30, *shape))).astype(dtype)
    target = RANDOM.integers(5, size=(30, *shape[:-1]))
    p = np.exp(y.astype(float))
    p /= p.sum(axis=-1, keepdims=True)
    expected = exp(reference.log_loss(target.ravel(), p.reshape(-1, 5), labels=range(5)))
    assert figure(Perplexity(), y, target) == pytest.approx(expected, rel=tolerance)
    assert figure(Perplexity(from_logits=False), p.astype(dtype), target) == pytest.approx(
        expected, rel=10 * tolerance
    )


@pytest.mark.parametrize("k", [1, 2])
def test_top_k_takes_the_greatest_of_a_distribution(k):
    y, target = RANDOM.standard_normal((40, 2, 5)), RANDOM.dirichlet([1] * 5, (40, 2))
    assert figure(TopKAccuracy(k), y, target) == figure(TopKAccuracy(k), y, target.argmax(axis=-1))


@pytest.mark.parametrize("shape", [(5,), (4, 5)], ids=str)
def test_perplexity_of_a_distribution_is_the_exponential_of_its_cross_entropy(shape):
    y, q = 3 * RANDOM.standard_normal((30, *shape)), RANDOM.dirichlet([1] * 5, (30, *shape[:-1]))
    log_p = special.log_softmax(y, axis=-1)
    expected = exp(-(q * log_p).sum() / q[..., 0].size)
    assert figure(Perplexity(), y, q) == pytest.approx(expected, rel=1e-12)
    assert figure(Perplexity(False), np.exp(log_p), q) == pytest.approx(expected, rel=1e-12)
    certain = np.tile([1.0, 0, 0, 0, 0], (20, 1))
    assert figure(Perplexity(False), certain, certain) == 1


def test_perplexity_takes_extreme_outputs_without_a_warning():
    zeros = np.zeros(20, int)
    assert figure(Perplexity(), np.tile([0.0, 0, 0, 0], (20, 1)), zeros) == pytest.approx(4)
    assert figure(Perplexity(), np.tile([1e4, -1e4], (20, 1)), zeros) == 1
    assert figure(Perplexity(), np.tile([-1e4, 1e4], (20, 1)), zeros) == inf
    assert figure(Perplexity(False), np.tile([0.0, 1], (20, 1)), zeros) == inf
    assert figure(Perplexity(False), np.tile([1.0, 0], (20, 1)), zeros) == 1
    assert isnan(figure(Perplexity(), np.full((20, 2), np.nan), zeros))
    assert figure(Perplexity(), np.tile([-700.0, 0], (20, 1)), zeros) == pytest.approx(exp(700))


def test_perplexity_counts_places_not_rows():
    """exp of the mean over all places; the mean of each row's own perplexity is another number."""
    y = np.log(np.array([[[0.5, 0.5], [0.1, 0.9]]] * 20))
    target = np.zeros((20, 2), int)
    assert figure(Perplexity(), y, target) == pytest.approx(exp(-(log(0.5) + log(0.1)) / 2))


def test_which_way_is_better():
    better = {m: m.higher_is_better for m in (R2, TopKAccuracy, BinaryAccuracy)}
    assert all(better.values())
    assert not any(m.higher_is_better for m in (MeanAbsoluteError, RootMeanSquaredError, Perplexity))


def test_top_k_refuses_a_k_below_one():
    assert message_of(ValueError, lambda: TopKAccuracy(0)) == "k must be at least 1, got 0"
