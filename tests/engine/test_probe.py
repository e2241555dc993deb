"""The trial pass on no rows finds layers that break their contract."""

from __future__ import annotations

import numpy as np
import pytest

from dtrain.contracts import Layer
from dtrain.engine.probe import probe
from dtrain_plugins.layers.batch_norm import BatchNorm
from dtrain_plugins.layers.dense import Dense
from dtrain_plugins.layers.dropout import Dropout
from tests.support import Scale, named, network, refused

NOTE = "in the trial pass on an empty batch: a rank may hold no rows"


class Frozen(Scale):
    def build(self, shape, make):
        self.weight = make.parameter("weight", shape, "ones", trainable=False)
        return shape


class Forgets(Scale):
    """No gradient of its weight."""

    def forward(self, x, context):
        return x * self.weight.value, lambda dy: dy * self.weight.value


class Returns(Layer):
    def __init__(self, of):
        self.of = of

    def forward(self, x, context):
        return self.of(x), lambda dy: dy


def test_a_sound_network_gives_no_warning_and_one_use_a_parameter():
    net = network(named(Dense(4), BatchNorm(), Dropout(), Dense(2)))
    assert probe(net) == []
    assert [p.uses for p in net.parameters] == [1] * 6


def test_uses_are_counted_anew_each_time():
    shared = Dense(3)
    net = network([("a", shared), ("b", shared)])
    for _ in range(2):
        assert probe(net) == []
        assert [p.uses for p in net.parameters] == [2, 2]


def test_a_parameter_without_a_gradient_is_warned_of():
    net = network([("a", Scale()), ("b", Forgets())])
    assert probe(net) == ["parameter 'b.weight' gets no gradient and will not change"]


def test_a_frozen_parameter_needs_no_gradient():
    assert probe(network([("a", Frozen())])) == []


def test_the_trial_leaves_states_as_they_were():
    class Counts(Layer):
        def build(self, shape, make):
            self.count = make.state("count", ())
            return shape

        def forward(self, x, context):
            context.update(self.count, self.count.value + 1)
            return x, lambda dy: dy

    net = network([("a", Counts())])
    probe(net)
    assert net.states[0].value == 0


@pytest.mark.parametrize(
    ("of", "kind", "message"),
    [
        (lambda x: x * (1 // len(x)), ZeroDivisionError, "integer division or modulo by zero"),
        (lambda x: x.argmax(axis=0), ValueError, "attempt to get argmax of an empty sequence"),
    ],
    ids=["division by the rows", "argmax of nothing"],
)
def test_a_layer_that_cannot_take_no_rows_is_named_with_the_reason(of, kind, message):
    with refused(kind, message, "in the forward of layer 'a' (Returns)", NOTE):
        probe(network([("a", Returns(of))]))


def test_a_gradient_that_cannot_take_no_rows_is_named():
    class Divides(Scale):
        def forward(self, x, context):
            def backward(dy):
                context.gradient(self.weight, lambda rows, out: out.fill(1 // len(dy)))
                return dy

            return x, backward

    message = "integer division or modulo by zero"
    with refused(ZeroDivisionError, message, "in the backward of layer 'a' (Divides)", NOTE):
        probe(network([("a", Divides())]))


@pytest.mark.parametrize(
    ("of", "gave"),
    [
        (lambda x: x[:, :2], "(2,) and float32"),
        (lambda x: x.astype(np.float64), "(3,) and float64"),
        (lambda x: x[..., None], "(3, 1) and float32"),
    ],
    ids=["shape", "dtype", "dimensions"],
)
def test_an_output_other_than_promised_is_refused(of, gave):
    message = f"the last layer promised shape (3,) and dtype float32, and gave {gave}"
    with refused(TypeError, message, NOTE):
        probe(network([("a", Returns(of))]))


def test_values_that_are_placed_stay_where_they_are():
    net = network([("a", Scale())])
    placed = net.parameters[0]._value = np.full(3, 7, np.float32)
    probe(net)
    assert net.parameters[0].value is placed
    assert placed.tolist() == [7, 7, 7]
