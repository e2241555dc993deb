"""activity_regularizer: a penalty on activations, by its gradient."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from dtrain_plugins.layers.activity_regularizer import ActivityRegularizer
from tests.plugins.support import distance, message_of, run_layer, same_bits

RANDOM = np.random.Generator(np.random.Philox(3))


def penalty(x, l1, l2):
    return sum(l1 * abs(float(v)) + l2 * float(v) ** 2 for v in x.flat)


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-6), (np.float64, 1e-10)])
@pytest.mark.parametrize(("l1", "l2"), [(0.3, 0.0), (0.0, 0.7), (0.3, 0.7)])
@pytest.mark.parametrize("shape", [(4,), (2, 3), ()], ids=str)
def test_adds_the_derivative_of_the_penalty_of_each_row(shape, l1, l2, dtype, tolerance):
    x, dy = RANDOM.standard_normal((2, 5, *shape)).astype(dtype)
    passed = run_layer(partial(ActivityRegularizer, l1, l2), x, dy, sizes=(2, 0, 3))
    same_bits(passed.y, x)
    assert passed.dx.dtype == dtype
    expected = dy.astype(np.float64)
    for at in np.ndindex(*x.shape):
        value = x[at].astype(np.float64)
        step = abs(value) / 2  # a line and a parabola: differences are exact up to the kink
        up, down = (penalty(np.array(value + side * step), l1, l2) for side in (1, -1))
        expected[at] += (up - down) / (2 * step)
    assert distance(passed.dx, expected) <= tolerance


@pytest.mark.parametrize("ranks", [1, 2, 3, 5])
def test_is_the_same_on_any_number_of_ranks(ranks):
    x, dy = RANDOM.standard_normal((2, 11, 4)).astype(np.float32)
    make = partial(ActivityRegularizer, 0.1, 0.2)
    split = run_layer(make, x, dy, sizes=(3, 0, 4, 2, 2), ranks=ranks)
    same_bits(split.dx, run_layer(make, x, dy).dx)
    assert split.calls == [{}, {}]


def test_is_the_identity_by_default_and_where_nothing_is_active():
    x, dy = RANDOM.standard_normal((2, 5, 4))
    same_bits(run_layer(ActivityRegularizer, x, dy).dx, dy)
    same_bits(run_layer(partial(ActivityRegularizer, 0.3, 0.7), 0 * x, dy).dx, dy)


def test_takes_extreme_activations_and_no_rows():
    x = np.array([[-1e4, 1e4]], np.float32)
    passed = run_layer(partial(ActivityRegularizer, 0.5, 0.25), x, 0 * x)
    assert passed.dx.tolist() == [[-5000.5, 5000.5]]
    assert run_layer(partial(ActivityRegularizer, 0.5), x[:0], x[:0]).dx.shape == (0, 2)


def test_refuses_negative_weights():
    assert message_of(ValueError, lambda: ActivityRegularizer(l1=-1.0)) == "l1 must be at least 0, got -1.0"
    assert message_of(ValueError, lambda: ActivityRegularizer(l2=-2.0)) == "l2 must be at least 0, got -2.0"
