"""The dense layer."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from dtrain.communicator import SerialCommunicator
from dtrain.engine import Layout, Network, Replica
from dtrain.errors import ConfigError
from dtrain_plugins.activations.tanh import Tanh
from dtrain_plugins.initializers.he_normal import HeNormal
from dtrain_plugins.initializers.ones import Ones
from dtrain_plugins.layers.dense import Dense
from tests.plugins.support import check_gradients, distance, initializer, message_of, run_layer, same_bits

RANDOM = np.random.Generator(np.random.Philox(1))
WEIGHT, BIAS = RANDOM.standard_normal((4, 3)), RANDOM.standard_normal(3)
X, DY = RANDOM.standard_normal((7, 4)), RANDOM.standard_normal((7, 3))


def by_hand(x, dy):
    """One product at a time."""
    y, dx = np.zeros((len(x), 3)), np.zeros((len(x), 4))
    weight, bias = np.zeros((4, 3)), np.zeros(3)
    for row in range(len(x)):
        for unit in range(3):
            y[row, unit] = BIAS[unit]
            bias[unit] += dy[row, unit]
            for i in range(4):
                y[row, unit] += float(x[row, i]) * float(WEIGHT[i, unit])
                dx[row, i] += float(dy[row, unit]) * float(WEIGHT[i, unit])
                weight[i, unit] += float(x[row, i]) * float(dy[row, unit])
    return y, dx, weight, bias


@pytest.mark.parametrize("ranks", [None, 2, 3])
@pytest.mark.parametrize("sizes", [(7, 0, 0), (3, 3, 1), (0, 2, 0, 5)], ids=str)
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-5), (np.float64, 1e-13)])
def test_is_a_product_and_a_sum(dtype, tolerance, sizes, ranks):
    x, dy = X.astype(dtype), DY.astype(dtype)
    passed = run_layer(
        partial(Dense, 3), x, dy, sizes=sizes, ranks=ranks, values={"weight": WEIGHT, "bias": BIAS}
    )
    y, dx, weight, bias = by_hand(x, dy)
    assert distance(passed.y, y) <= tolerance
    assert distance(passed.dx, dx) <= tolerance
    assert distance(passed.gradients["weight"], weight) <= tolerance
    assert distance(passed.gradients["bias"], bias) <= tolerance


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("activation", [None, Tanh()])
def test_differentiates(bias, activation):
    values = {"weight": WEIGHT} | ({"bias": BIAS} if bias else {})
    make = partial(Dense, 3, bias=bias, activation=activation)
    passed = check_gradients(make, X, DY, sizes=(4, 3), values=values)
    assert passed.gradients.keys() == values.keys()


def test_applies_its_activation():
    values = {"weight": WEIGHT, "bias": BIAS}
    plain = run_layer(partial(Dense, 3), X, values=values).y
    curved = run_layer(partial(Dense, 3, activation=Tanh()), X, values=values).y
    assert distance(curved, np.tanh(plain)) < 1e-15
    assert distance(curved, plain) > 0.1


def test_gives_the_same_bits_on_any_number_of_ranks():
    x, dy = (RANDOM.standard_normal((37, n)).astype(np.float32) for n in (19, 23))
    sizes = (5,) * 5 + (4,) * 3
    whole = run_layer(partial(Dense, 23), x, dy, sizes=sizes)
    for ranks in (1, 2, 3, 5):
        split = run_layer(partial(Dense, 23), x, dy, sizes=sizes, ranks=ranks)
        same_bits(split.y, whole.y)
        same_bits(split.dx, whole.dx)
        same_bits(split.gradients, whole.gradients)
        assert split.calls == [{}, {}]


def built(layer, shape):
    return Network([("d", layer)], shape, "f8", initializer)


def test_starts_with_glorot_weights_and_no_bias():
    weight, bias = built(Dense(3), (4,)).parameters
    assert (weight.name, weight.shape, weight.role, weight.fans) == ("d.weight", (4, 3), "weight", (4, 3))
    assert type(weight.initializer).__name__ == "GlorotUniform"
    assert (bias.name, bias.shape, bias.role) == ("d.bias", (3,), "bias")
    assert type(bias.initializer).__name__ == "Zeros"


def test_takes_an_initializer_by_name_or_as_a_part():
    given = HeNormal()
    assert built(Dense(3, initializer=given), (4,)).parameters[0].initializer is given
    assert type(built(Dense(3, initializer="ones"), (4,)).parameters[0].initializer) is Ones


@pytest.mark.parametrize("units", [0, -2])
def test_refuses_a_width_below_one(units):
    assert message_of(ValueError, lambda: Dense(units)) == f"units must be at least 1, got {units}"


@pytest.mark.parametrize("shape", [(), (8, 8), (8, 8, 1)], ids=str)
def test_refuses_images(shape):
    assert message_of(ConfigError, lambda: built(Dense(3), shape)) == (
        f"layer 'd' (Dense): dense takes samples of one dimension, got {shape}; put a flatten layer before it"
    )


@pytest.mark.parametrize("activation", [None, Tanh()])
def test_right_behind_the_data_no_gradient_of_the_data_is_made(activation):
    network = built(Dense(3, activation=activation), (4,))
    replica = Replica(network, SerialCommunicator(), 1, 0)
    replica.initialize()
    replica.context.begin(Layout(7, 1, 0, 1), training=True, step=0, epoch=0, place=0)
    _, backward = network.forward(X, replica.context)
    replica.gradients.begin(replica.context.layout.slices)
    assert backward(DY) is None
    wanted = run_layer(partial(Dense, 3, activation=activation), X, DY, name="d").gradients
    for parameter in network.parameters:
        assert distance(parameter.grad, wanted[parameter.name.removeprefix("d.")]) < 1e-15
