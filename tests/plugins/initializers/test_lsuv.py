from __future__ import annotations

import numpy as np
import pytest

from dtrain import Stream
from dtrain.communicator import run_ranks
from dtrain.engine.reach import input_of, output_of
from dtrain_plugins.activations.relu import Relu
from dtrain_plugins.activations.tanh import Tanh
from dtrain_plugins.initializers.lsuv import Lsuv
from dtrain_plugins.initializers.normal import Normal
from dtrain_plugins.initializers.orthogonal import Orthogonal
from dtrain_plugins.layers.conv2d import Conv2d
from dtrain_plugins.layers.dense import Dense
from dtrain_plugins.layers.flatten import Flatten
from dtrain_plugins.layers.residual import Residual
from tests.plugins.fitting import BATCH, alone, begun, digests, given
from tests.plugins.support import lone_context, message_of, same_bits
from tests.support import MEMORY

RANDOM = np.random.default_rng(47)
IMAGES = (0.3 + 2 * RANDOM.standard_normal((20, 6, 6, 2))).astype(np.float32)
X = RANDOM.standard_normal((40, 12)).astype(np.float32)


def convolutional(make=Lsuv):
    return [
        Conv2d(5, 3, initializer=make(), activation=Relu()),
        Conv2d(4, 2, groups=1, stride=2, padding="same", initializer=make(), activation=Tanh()),
        Flatten(),
        Residual([Dense(9, make(), activation=Relu()), Dense(16, make(), bias=False)]),
        Dense(3, make()),
    ]


def before_activations(replica, x):
    """Every layer's output before its activation: of those that made a parameter."""
    network, context = replica.network, replica.context
    found = {}
    for name in dict.fromkeys(p.name.rsplit(".", 1)[0] for p in network.parameters):
        given(replica, x)  # begins a pass over these rows
        inner = network.layers.get(f"{name}.activation")
        of, layer = (output_of, network.layers[name]) if inner is None else (input_of, inner)
        found[name] = np.array(of(network, layer, x, context), np.float64)
    return found


@pytest.mark.parametrize("tolerance", [0.1, 1e-3])
def test_every_layer_has_variance_1_before_its_activation(tolerance):
    replica = alone(*convolutional(lambda: Lsuv(tolerance)), x=IMAGES)
    outputs = before_activations(replica, IMAGES[:BATCH])
    assert list(outputs) == ["layer_1", "layer_2", "layer_4.1", "layer_4.2", "layer_5"]
    for name, y in outputs.items():
        assert abs(y.var() - 1) < tolerance, name
    biases = [p.value for p in replica.network.parameters if p.role == "bias"]
    assert len(biases) == 4
    assert not np.any(np.concatenate(biases))


def test_an_orthogonal_start_alone_has_another_variance():
    """A negative control."""
    outputs = before_activations(alone(*convolutional(Orthogonal), x=IMAGES), IMAGES[:BATCH])
    assert all(abs(y.var() - 1) > 0.2 for y in outputs.values())


def test_kernels_stay_orthogonal_but_for_one_factor():
    replica = alone(*convolutional(), x=IMAGES)
    for p in replica.network.parameters:
        if p.role == "weight":
            w = p.value.reshape(-1, p.shape[-1]).astype(np.float64)
            gram = w.T @ w if w.shape[0] >= w.shape[1] else w @ w.T
            np.testing.assert_allclose(gram, gram[0, 0] * np.eye(len(gram)), atol=1e-5 * gram[0, 0])


@MEMORY
@pytest.mark.parametrize("ranks", [2, 3])
def test_any_ranks_find_the_same_bits(ranks, share_memory):
    expected = digests(convolutional, IMAGES, 1, True)
    assert digests(convolutional, IMAGES, ranks, share_memory) == expected * ranks


def test_the_factor_of_a_ranks_own_rows_is_another():
    """A negative control: a rank that looked at its rows alone would scale by something else."""

    class Own(Lsuv):
        def calibrate(self, y, context):
            factors.append(float(1 / np.sqrt(y.var(dtype=np.float64))))
            return super().calibrate(y, context)

    factors = []
    run_ranks(2, lambda communicator: begun(communicator, [Dense(5, Own())], X))
    assert len(set(factors)) > 1


@pytest.mark.parametrize("activation", [Tanh, Relu])
def test_a_deep_net_neither_vanishes_nor_explodes(activation):
    def deep(make):
        return [Dense(12, make(), activation=activation()) for _ in range(12)]

    small = given(alone(*deep(lambda: Normal(std=0.01)), x=X), X)
    large = given(alone(*deep(lambda: Normal(std=2.0)), x=X), X)
    y = given(alone(*deep(Lsuv), x=X), X)
    assert 0.3 < y.std() < 1.5
    assert small.std() < 1e-12
    assert large.std() > 1e3 or (np.abs(large) > 0.9).mean() > 0.5


def test_iterations_end_where_a_bias_holds_the_variance():
    """y = x·W + b of a wide b never gets to variance 1; W shrinks once an iteration."""

    class Biased(Dense):
        def build(self, shape, make):
            out = super().build(shape, make)
            self.bias.initializer = Normal(std=3.0)
            return out

    norms = [
        np.linalg.norm(alone(Biased(12, Lsuv(max_iterations=n)), x=X).network.parameters[0].value)
        for n in (1, 2, 3)
    ]
    assert norms[0] > 2 * norms[1] > 4 * norms[2] > 0


def test_an_output_that_does_not_vary_is_left_as_it_is():
    dead = np.zeros_like(X)
    weight, bias = (p.value for p in alone(Dense(5, Lsuv()), x=dead).network.parameters)
    start = Orthogonal()((12, 5), (12, 5), Stream(0, "init", "layer_1.weight"))
    same_bits(weight, start.astype(np.float32))
    assert not bias.any()
    assert Lsuv().calibrate(np.zeros((0, 5)), lone_context(0)) == 1


def test_refuses_options_out_of_range():
    assert message_of(ValueError, lambda: Lsuv(0.0)) == "tolerance must be positive, got 0.0"
    assert (
        message_of(ValueError, lambda: Lsuv(max_iterations=0)) == "max_iterations must be at least 1, got 0"
    )
