"""The complex twin of a network: the same layers on other arrays, which nobody else notices."""

from __future__ import annotations

import numpy as np
import pytest

from dtrain.communicator import run_ranks
from dtrain.engine import Layout, Replica
from dtrain.engine.twin import Twin, step_along
from dtrain_plugins.layers.dense import Dense
from tests.support import MEMORY, assert_same_bits, named, network

X = np.cos(np.arange(13 * 40.0)).reshape(13, 40)


@pytest.mark.parametrize(
    ("norm", "dtype", "h"),
    [
        (0.0, "F", 2.0**-40),
        (1.0, "F", 2.0**-41),
        (0.6, "F", 2.0**-40),
        (1024.0, "D", 2.0**-171),
        (1e300, "D", 2.0**-1000),
    ],
)
def test_the_step_is_a_power_of_two_that_fits_the_direction(norm, dtype, h):
    assert step_along(norm, np.dtype(dtype)) == h


def passed(replica, twin, value, v, h):
    layout = Layout(len(X), 8, replica.first, replica.last)
    x = X[layout.start : layout.stop].astype(twin.dtype)
    with twin.at(value, v, h):
        twin.context.begin(layout, training=True, step=0, epoch=0, place=0)
        y, backward = replica.network.forward(x, twin.context)
        twin.gradients.begin(layout.slices)
        backward(y)
        twin.gradients.end()
        replica.communicator.barrier()
        return twin.reduce(1.0)


@MEMORY
@pytest.mark.parametrize("ranks", [1, 3])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_parameters_and_gradients_are_complex_inside_and_their_own_outside(dtype, ranks, share_memory):
    def body(communicator):
        net = network(named(Dense(50), Dense(30)), (40,), dtype)
        replica = Replica(net, communicator, 8, 0)
        replica.initialize()
        before = [(p.value, p.value.copy(), p._grads) for p in net.parameters]
        twin = Twin(replica)
        value = replica.exchange.values[replica.own].copy()
        h = step_along(1.0, twin.dtype)
        for _ in range(2):
            gradient = passed(replica, twin, value, value, h)
        for p, (array, copy, grads) in zip(net.parameters, before, strict=True):
            assert p.value.base is array.base
            assert_same_bits(p.value, copy)
            assert p._grads is grads
        return replica.gather(gradient), twin.dtype

    # ½·Σ(x·W + …)² is of degree 4 in the parameters along themselves but for biases, which are 0: g ~ θ³
    gradient, of = run_ranks(ranks, body, share_memory=share_memory)[0]
    assert of == np.result_type(dtype, np.complex64)
    h = step_along(1.0, of)
    off = np.abs(gradient.imag / h - 3 * gradient.real)[: 40 * 50 + 50 * 30]
    assert off.max() <= 20 * np.finfo(dtype).eps * np.abs(gradient.real).max()


def test_an_error_inside_leaves_the_parameters_as_they_were():
    def body(communicator):
        net = network(named(Dense(5)), (40,), "float64")
        replica = Replica(net, communicator, 8, 0)
        replica.initialize()
        twin = Twin(replica)
        value = replica.exchange.values[replica.own].copy()
        with pytest.raises(ZeroDivisionError), twin.at(value, value, 1e-40):
            raise ZeroDivisionError
        return {p.value.dtype for p in net.parameters}

    assert run_ranks(1, body) == [{np.dtype("float64")}]
