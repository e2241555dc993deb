"""A network runs up to one of its layers and no further, and is as before."""

from __future__ import annotations

import numpy as np
import pytest

from dtrain.contracts import Layer
from dtrain.engine import Layout, Replica
from dtrain.engine.reach import input_of, output_of
from dtrain_plugins.activations.tanh import Tanh
from dtrain_plugins.layers.dense import Dense
from dtrain_plugins.layers.parallel import Parallel
from dtrain_plugins.layers.residual import Residual
from tests.support import Scale, Sum, named, network, refused, serial

X = np.random.default_rng(0).standard_normal((5, 3)).astype(np.float32)


class Doubled(Layer):
    def forward(self, x, context):
        return 2 * x, lambda dy: 2 * dy


class Catches(Layer):
    """A container that stops every error of what it holds."""

    def __init__(self, inner):
        self.inner = inner

    def build(self, shape, make):
        return make.layer(self.inner, shape, "inner")

    def forward(self, x, context):
        try:
            return self.inner.forward(x, context)
        except Exception:
            return x, lambda dy: dy


class Explodes(Layer):
    """No trial pass, which has no rows, comes to its error."""

    def forward(self, x, context):
        if len(x):
            raise AssertionError("the network went on")
        return x, lambda dy: dy


def reached(of, layer, *layers):
    def job(communicator):
        replica = Replica(network(named(*layers)), communicator, 1, 0)
        replica.initialize()
        context = replica.context
        context.begin(Layout(len(X), 1, 0, 1), training=False, step=0, epoch=0, place=0)
        before = dict(vars(layer))
        found = of(replica.network, layer, X, context)
        assert vars(layer) == before
        return np.array(found), context.layer

    return serial(job)


CONTAINERS = {
    "alone": lambda inner: inner,
    "residual": lambda inner: Residual([inner]),
    "the second branch": lambda inner: Parallel([[Explodes()], [inner]]),
    "two deep": lambda inner: Residual([Residual([Doubled(), inner])]),
    "one that catches errors": Catches,
}
SEEN = {"two deep": 4}


@pytest.mark.parametrize("name", [name for name in CONTAINERS if name != "the second branch"])
def test_a_layer_is_found_where_it_stands_and_nothing_behind_it_runs(name):
    inner = Doubled()
    found, layer = reached(input_of, inner, Doubled(), CONTAINERS[name](inner), Explodes())
    np.testing.assert_array_equal(found, SEEN.get(name, 2) * X)
    assert layer.startswith("layer_2")
    found, _ = reached(output_of, inner, Doubled(), CONTAINERS[name](inner), Explodes())
    np.testing.assert_array_equal(found, 2 * SEEN.get(name, 2) * X)


def test_what_stands_before_it_runs():
    inner = Doubled()
    with refused(AssertionError, "the network went on", "in the forward of layer 'layer_2' (Parallel)"):
        reached(input_of, inner, Doubled(), CONTAINERS["the second branch"](inner))


def test_an_activation_inside_a_layer_is_given_what_is_before_it():
    activation = Tanh()
    found, layer = reached(input_of, activation, Dense(4, activation=activation))
    dense = Dense(4)
    without, _ = reached(output_of, dense, dense)
    np.testing.assert_array_equal(found, without)
    assert layer == "layer_1"


def test_several_inputs_are_a_tuple():
    layer = Sum("layer_1", "layer_2")
    found, _ = reached(input_of, layer, Doubled(), Doubled(), layer)
    np.testing.assert_array_equal(found, [2 * X, 4 * X])


def test_of_a_layer_at_several_places_the_first_counts():
    twice = Doubled()
    found, _ = reached(input_of, twice, twice, twice)
    np.testing.assert_array_equal(found, X)


def test_a_forward_of_the_objects_own_comes_back():
    layer = Doubled()
    layer.forward = lambda x, context: (3 * x, lambda dy: 3 * dy)
    found, _ = reached(output_of, layer, layer)
    np.testing.assert_array_equal(found, 3 * X)


def test_a_layer_that_inference_never_meets_is_an_error():
    class Skips(Residual):
        def forward(self, x, context):
            return x, lambda dy: dy

    scale = Scale()
    with refused(RuntimeError, "inference never comes to this layer, so that it has nothing to learn from"):
        reached(input_of, scale, Skips([scale]))
