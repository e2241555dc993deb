"""Accuracy."""

from __future__ import annotations

import numpy as np
import pytest

from dtrain.trainer.figures import Figures
from dtrain_plugins.losses.binary_cross_entropy import BinaryCrossEntropy
from dtrain_plugins.losses.hinge import Hinge
from dtrain_plugins.losses.mse import Mse
from dtrain_plugins.losses.perceptron import Perceptron
from dtrain_plugins.metrics.accuracy import Accuracy
from dtrain_plugins.metrics.binary_accuracy import BinaryAccuracy
from tests.plugins.support import frozen, lone_context

METRIC = Accuracy()


def hits(y, target):
    values = np.asarray(METRIC.forward(frozen(y), frozen(target), lone_context(len(y))), float)
    assert values.shape == (len(y),)
    return values.tolist()


def test_counts_the_rows_whose_greatest_output_is_their_class():
    y = np.array([[0.1, 0.9, 0.0], [5, 1, 2], [-3, -2, -1], [0, 0, 0]], np.float32)
    assert hits(y, np.array([1, 2, 2, 0])) == [1, 0, 1, 1]
    assert hits(y, np.array([0, 0, 0, 1])) == [0, 1, 0, 0]


@pytest.mark.parametrize("dtype", ["u1", "i4", "i8", "u8"])
def test_takes_classes_of_any_whole_type(dtype):
    assert hits(np.eye(3), np.array([0, 2, 2], dtype)) == [1, 0, 1]


# A loss, and single outputs that it takes for classes 0, 1, 1, 0.
HEADS = {
    "probabilities": (BinaryCrossEntropy(), [0.4, 0.6, 1.0, 0.5]),
    "logits": (BinaryCrossEntropy(from_logits=True), [-0.5, 0.1, 3.0, 0.0]),
    "perceptron": (Perceptron(), [-0.5, 0.1, 3.0, 0.0]),
    "signs": (Perceptron(), [-1.0, 1.0, 1.0, -1.0]),
    "hinge": (Hinge(), [-0.5, 0.1, 3.0, 0.0]),
    "numbers": (Mse(), [-0.1, 0.6, 1.2, 0.4]),
}


@pytest.mark.parametrize("metric", [Accuracy, BinaryAccuracy])
@pytest.mark.parametrize("loss", HEADS)
@pytest.mark.parametrize("target", [[0, 1, 0, 1], [[0], [1], [0], [1]], [-1.0, 1, -1, 1], [0.1, 0.9, 0, 1]])
def test_a_single_output_is_above_the_threshold_of_its_loss(target, loss, metric):
    (loss, y), metrics = HEADS[loss], {"it": metric()}
    Figures(loss, metrics)
    values = metrics["it"].forward(frozen(np.array(y)[:, None]), frozen(target), lone_context(4))
    assert np.asarray(values, float).tolist() == [1, 1, 0, 0]


def test_the_threshold_of_a_single_output_can_be_given():
    metric = Accuracy(threshold=0.0)
    Figures(Mse(), {"it": metric})
    y, target = np.array([[-0.5], [0.1], [0.7], [0.0]]), np.array([-1, 1, -1, 1])
    assert metric.forward(y, target, lone_context(4)).astype(float).tolist() == [1, 1, 0, 0]


def test_a_metric_alone_takes_a_single_output_for_a_probability():
    assert hits(np.array([[0.4], [0.6], [0.9], [0.5]]), np.array([0, 1, 0, 1])) == [1, 1, 0, 0]


@pytest.mark.parametrize("shape", [(3,), (4, 3)], ids=str)
def test_the_class_of_a_distribution_is_its_greatest(shape):
    random = np.random.Generator(np.random.Philox(2))
    y, target = random.standard_normal((20, *shape)), random.dirichlet([1, 1, 1], (20, *shape[:-1]))
    expected = hits(y, target.argmax(axis=-1))
    assert 0 < sum(expected) < 20
    assert hits(y, target) == hits(y, target.astype(np.float32)) == expected


@pytest.mark.parametrize("shape", [(4,), (2, 2)], ids=str)
def test_takes_the_mean_over_the_places_of_a_row(shape):
    classes = np.array([[0, 1, 2, 1], [2, 2, 2, 2]])
    y = np.eye(3)[classes].reshape(2, *shape, 3)
    target = np.array([[0, 1, 0, 0], [2, 2, 2, 0]]).reshape(2, *shape)
    assert hits(y, target) == [0.5, 0.75]


@pytest.mark.parametrize("shape", [(3,), (4, 3), (2, 2, 3), (1,), (4, 1)], ids=str)
def test_takes_no_rows(shape):
    target = shape if shape[-1] == 1 else shape[:-1]
    assert hits(np.zeros((0, *shape)), np.zeros((0, *target), int)) == []


def test_the_figure_is_the_mean_over_all_rows_and_higher_is_better():
    assert METRIC.result(np.array([3.0]), 4) == 0.75
    assert METRIC.higher_is_better
