"""Numbers that are not finite, and layers that lose complex ones."""

from __future__ import annotations

import numpy as np
import pytest

from dtrain.communicator import SerialCommunicator, run_ranks
from dtrain.contracts import Layer
from dtrain.errors import ConfigError
from dtrain_plugins.layers.dense import Dense
from dtrain_plugins.optimizers.newton_cg import NewtonCg
from tests.support import named
from tests.trainer.solving.support import Go, Remembers, X, job_of


@pytest.mark.parametrize("ranks", [1, 3])
def test_a_step_that_begins_or_ends_beyond_numbers_changes_nothing(ranks):
    def body(communicator):
        found = []
        for x in (X, np.where(np.arange(40) == 7, np.inf, X)):
            of = lambda: named(Dense(5), Remembers(), Dense(30))  # noqa: E731
            job = job_of(communicator, lambda p: p.value / 0, of=of, x=x, solver=Go)
            before = job.replica.digest()
            with np.errstate(all="ignore"):
                taken = job.train(1)
            found.append((taken, job.replica.digest() == before))
        return found

    for found in run_ranks(ranks, body):
        assert found == [([False], True), ([False], True)]


def test_a_solver_survives_trial_points_beyond_numbers():
    """The first trial overflows; the line search comes back from there."""
    job = job_of(SerialCommunicator(), None, solver=lambda _: NewtonCg(lr=1e200))
    with np.errstate(all="ignore"):
        assert job.train(1) == [True]
    assert all(np.isfinite(p.value).all() for p in job.replica.network.parameters)


class LosesForward(Layer):
    """y = x², the imaginary part forgotten."""

    def forward(self, x, context):
        return (x.real**2).astype(x.dtype), lambda dy: 2 * x * dy


class LosesBackward(Layer):
    """y = w·x, whose gradient is taken at the real part of x."""

    def build(self, shape, make):
        self.w = make.parameter("w", shape, "drawn")
        return shape

    def forward(self, x, context):
        def backward(dy):
            context.gradient(self.w, lambda rows, out: np.sum(x.real[rows] * dy[rows], axis=0, out=out))
            return dy * self.w.value

        return x * self.w.value, backward


class Real(Layer):
    def forward(self, x, context):
        return np.fmod(x, 2), lambda dy: dy


@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize(
    ("layer", "what"),
    [
        (LosesForward, "the derivative of the loss along its gradient: "),
        (LosesBackward, "a·Hb, as large as b·Ha: "),
    ],
)
def test_a_layer_that_loses_imaginary_parts_is_an_error_not_a_wrong_product(layer, what, ranks):
    def body(communicator):
        with pytest.raises(ConfigError) as error:
            looked_at(communicator, layer)
        return str(error.value)

    def looked_at(communicator, layer):
        of = lambda: named(Dense(5), layer(), Dense(30))  # noqa: E731
        job_of(communicator, lambda p: p.hessian_product(p.gradient), of=of).train(1)

    for message in run_ranks(ranks, body):
        head, numbers = message.split(what)
        assert head == (
            "[optimizer]: expected layers and a loss that pass complex numbers on, from which products with second "
            "derivatives are computed, got ones that lose them ("
        )
        assert numbers.endswith("; take an optimizer without products, such as lbfgs")


def test_a_layer_that_takes_no_complex_numbers_is_named():
    of = lambda: named(Dense(5), Real(), Dense(30))  # noqa: E731
    with pytest.raises(TypeError) as error:
        job_of(SerialCommunicator(), lambda p: p.hessian_product(p.gradient), of=of).train(1)
    assert error.value.__notes__ == [
        "in the forward of layer 'layer_2' (Real)",
        "on complex numbers, with which second derivatives are computed",
    ]
