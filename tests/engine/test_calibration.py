"""Initializers look at what their layer makes of the first batch, and scale the parameter."""

from __future__ import annotations

import numpy as np
import pytest

from dtrain.communicator import run_ranks
from dtrain.contracts import ArrayRows, Initializer
from dtrain.data import Batches
from dtrain.engine import Replica, learn
from dtrain.errors import NonFiniteError, RunError
from dtrain_plugins.activations.tanh import Tanh
from dtrain_plugins.layers.dense import Dense
from dtrain_plugins.layers.residual import Residual
from dtrain_plugins.layers.standardize import Standardize
from tests.support import MEMORY, named, network, refused, serial

X = np.random.default_rng(2).standard_normal((19, 3)).astype(np.float32)


class Factors(Initializer):
    """Ones, then these factors; notes the outputs it was shown."""

    def __init__(self, *factors, times=5):
        self.calibrations, self.factors, self.seen = times, iter(factors), []

    def __call__(self, shape, fans, random):
        return np.ones(shape)

    def calibrate(self, y, context):
        self.seen.append((context.layer, context.training, context.rows, y.copy()))
        factor = next(self.factors)
        return factor(y, context) if callable(factor) else factor


def begun(communicator, *layers):
    replica = Replica(network(named(*layers)), communicator, 8, 0)
    replica.initialize()
    batches = Batches(ArrayRows(X, None), 8, 8, replica.first, replica.last, np.float32)
    learn(replica, batches, "start")
    return [p.value.copy() for p in replica.network.parameters]


def alone(*layers):
    return serial(lambda communicator: begun(communicator, *layers))


@MEMORY
@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_factors_multiply_until_one_says_that_it_is_right(ranks, share_memory):
    def job(communicator):
        return begun(communicator, Dense(2, Factors(2.0, -3.0, 1.0, 7.0)))

    for weight, bias in run_ranks(ranks, job, share_memory):
        assert (weight == -6).all()
        assert (bias == 0).all()


def test_an_initializer_is_asked_as_often_as_it_wants_and_shown_the_new_output():
    once = Factors(2.0, 2.0, 2.0, times=2)
    weight, _ = alone(Dense(2, once))
    assert (weight == 4).all()
    (_, *before), (_, *after) = once.seen
    assert before[:2] == after[:2] == [False, 8]
    np.testing.assert_array_equal(after[2], 2 * before[2])


def test_one_that_does_not_calibrate_is_never_asked():
    silent = Factors(times=0)
    assert (alone(Dense(2, silent))[0] == 1).all()
    assert silent.seen == []


def test_the_output_is_that_of_the_first_batch_before_the_activation_behind_those_that_are_right():
    inner, last = Factors(0.5, 1.0), Factors(1.0)
    first = Factors(3.0, 1.0)
    alone(
        Standardize(),
        Residual([Dense(4, first, activation=Tanh()), Dense(3, inner, bias=False)]),
        Dense(1, last, activation=Tanh()),
    )
    names = [part.seen[0][0] for part in (first, inner, last)]
    assert names == ["layer_2.1", "layer_2.2", "layer_3"]
    x = ((X - X.mean(axis=0)) / X.std(axis=0))[:8]  # fitted on the whole set before anything behind it
    y = x.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(first.seen[0][3], np.repeat(y, 4, axis=1), rtol=1e-4, atol=1e-5)
    y = 4 * np.tanh(3 * y)
    np.testing.assert_allclose(inner.seen[0][3], np.repeat(y, 3, axis=1), rtol=1e-4, atol=1e-5)
    y = (x + 0.5 * y).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(last.seen[0][3], y, rtol=1e-4, atol=1e-5)


# ---------------------------------------------------------------------- what is wrong

WHO = "initializer Factors of parameter 'layer_1.weight'"


def test_an_error_names_the_initializer_and_the_parameter():
    def fails(y, context):
        raise ArithmeticError("no")

    with refused(ArithmeticError, "no", f"in the calibration by the {WHO}"):
        alone(Dense(2, Factors(fails)))


def test_one_that_does_not_say_how_it_calibrates_is_told_so():
    class Bare(Initializer):
        calibrations = 1

        def __call__(self, shape, fans, random):
            return np.ones(shape)

    who = "initializer Bare of parameter 'layer_1.weight'"
    with refused(NotImplementedError, "Bare has no calibrate", f"in the calibration by the {who}"):
        alone(Dense(2, Bare()))


def test_ranks_that_would_scale_differently_are_found():
    def job(communicator):
        return begun(communicator, Dense(2, Factors(lambda y, context: 1.0 + len(y))))

    message = f"{WHO}: calibrate must return one factor on all ranks, got 3.0, 4.0, 4.0"
    with pytest.raises(RunError) as caught:
        run_ranks(3, job)
    assert (str(caught.value), caught.value.everywhere) == (message, True)


@pytest.mark.parametrize("factor", [0.0, np.inf, np.nan])
def test_a_factor_that_would_spoil_the_parameter_is_refused(factor):
    message = f"{WHO}: calibrate must return a finite factor other than 0, got {factor}"
    with refused(NonFiniteError, message):
        alone(Dense(2, Factors(factor)))
