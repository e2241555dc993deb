"""sign and step: units that jump, and what goes back through them."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from dtrain_plugins.activations.sign import Sign
from dtrain_plugins.activations.step import Step
from dtrain_plugins.activations.threshold import Threshold
from tests.plugins.support import check_gradients, message_of, run_layer

MOST = np.finfo(np.float32).max
both = pytest.mark.parametrize("make", [Sign, Step])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("make", "expected"), [(Sign, [-1, -1, -1, 0, 0, 1, 1, 1]), (Step, [0, 0, 0, 1, 1, 1, 1, 1])]
)
def test_values(make, expected, dtype):
    x = np.array([[-MOST, -1e4, -1e-30, -0.0, 0, 1e-30, 1e4, MOST]], dtype)
    passed = run_layer(make, x, x)
    assert list(passed.y[0]) == expected
    assert passed.y.dtype == dtype


@both
def test_gradients(make):
    x = np.array([[-1e4, -1.5, -1, -0.5, 0, 0.5, 1, 1.5, 1e4]])
    dy = np.arange(1.0, 10)[None]
    assert list(run_layer(make, x, dy).dx[0]) == list(dy[0])
    assert list(run_layer(partial(make, "straight_through"), x, dy).dx[0]) == list(dy[0])
    assert list(run_layer(partial(make, "clipped"), x, dy).dx[0]) == [0, 0, 3, 4, 5, 6, 7, 0, 0]
    assert list(run_layer(partial(make, gradient="none"), x, dy).dx[0]) == [0] * 9


@both
@pytest.mark.parametrize("gradient", ["straight_through", "clipped", "none"])
def test_a_complex_step_sees_the_gradient_that_goes_back(make, gradient):
    x, dy = np.random.Generator(np.random.Philox(2)).standard_normal((2, 6, 5)) * 2
    check_gradients(partial(make, gradient), x, dy, sizes=(3, 0, 3), tolerance=1e-15)


@both
def test_takes_no_rows_and_passes_on_what_is_not_a_number(make):
    assert run_layer(make, np.zeros((0, 3)), np.zeros((0, 3))).y.shape == (0, 3)
    assert np.isnan(run_layer(make, np.array([[np.nan]])).y).all()


def test_two_layers_of_step_units_compute_exclusive_or():
    """What McCulloch and Pitts made neurons for."""
    x = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]])
    hidden = run_layer(Step, x @ np.array([[1, 1], [1, 1]]) - [1, 2]).y  # or, and
    assert run_layer(Step, hidden @ [[1], [-1]] - 1.0).y[:, 0].tolist() == [0, 1, 1, 0]


def test_a_subclass_must_write_its_levels():
    class Nothing(Threshold):
        pass

    assert (
        message_of(NotImplementedError, lambda: Nothing().level(np.ones(2), np.ones(2)))
        == "Nothing has no level"
    )
