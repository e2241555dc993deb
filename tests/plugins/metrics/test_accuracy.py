"""Accuracy."""

from __future__ import annotations

import numpy as np
import pytest

from dtrain_plugins.metrics.accuracy import Accuracy
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


@pytest.mark.parametrize("target", [[0, 1, 0, 1], [[0], [1], [0], [1]]])
def test_a_single_output_is_a_logit_of_class_1(target):
    assert hits(np.array([[-0.5], [0.1], [3.0], [0.0]]), np.array(target)) == [1, 1, 0, 0]


@pytest.mark.parametrize("shape", [(4,), (2, 2)], ids=str)
def test_takes_the_mean_over_the_places_of_a_row(shape):
    classes = np.array([[0, 1, 2, 1], [2, 2, 2, 2]])
    y = np.eye(3)[classes].reshape(2, *shape, 3)
    target = np.array([[0, 1, 0, 0], [2, 2, 2, 0]]).reshape(2, *shape)
    assert hits(y, target) == [0.5, 0.75]


@pytest.mark.parametrize("shape", [(3,), (4, 3), (2, 2, 3), (1,), (4, 1)], ids=str)
def test_takes_no_rows(shape):
    assert hits(np.zeros((0, *shape)), np.zeros((0, *shape[:-1]), int)) == []


def test_the_figure_is_the_mean_over_all_rows_and_higher_is_better():
    assert METRIC.result(np.array([3.0]), 4) == 0.75
    assert METRIC.higher_is_better
