"""A network is a graph of layers; every mistake names the layer."""

from __future__ import annotations

import numpy as np
import pytest

from dtrain.communicator import run_ranks
from dtrain.contracts import Layer
from dtrain.engine import Layout, Network, Replica
from dtrain.engine.tree import cover
from dtrain.errors import ConfigError
from dtrain_plugins.layers.dense import Dense
from tests.support import Scale, Sum, assert_same_bits, in_context, initializer, named, network, refused


class Times(Layer):
    """y = factor·x."""

    def __init__(self, factor, *inputs):
        self.factor, self.inputs = factor, inputs

    def forward(self, x, context):
        return x * self.factor, lambda dy: dy * self.factor


class Fails(Layer):
    def __init__(self, when):
        self.when = when

    def build(self, shape, make):
        if self.when == "build":
            raise OSError("no such table")
        if self.when == "shape":
            raise ValueError(f"takes 5 columns, got {shape}")
        return shape

    def forward(self, x, context):
        def backward(dy):
            if self.when == "backward":
                raise ZeroDivisionError("boom")
            return dy

        if self.when == "forward":
            raise ZeroDivisionError("boom")
        return x, backward


def run(net, x, dy):
    """Output and input gradient of a network without parameters."""

    def body(context, mine):
        y, backward = net.forward(x, context)
        return y, backward(dy)

    return in_context(1, len(x), body)[0]


def wanting(layers):
    """A network whose data want a gradient."""
    return Network(layers, (3,), np.float32, initializer, needs_dx=True)


def no_network(layers, message, *notes):
    with refused(ConfigError, message, *notes) as caught:
        network(layers)
    return caught.value


X = np.arange(12, dtype=np.float32).reshape(4, 3)
DY = np.ones_like(X)


def test_each_layer_takes_the_output_of_the_one_above():
    y, dx = run(wanting(named(Times(2), Times(5))), X, DY)
    assert_same_bits(y, 10 * X)
    assert_same_bits(dx, 10 * DY)


def test_inputs_name_layers_and_the_data():
    net = wanting([("a", Times(2)), ("b", Times(5, "input")), ("c", Sum("a", "b", "input"))])
    assert [node.inputs for node in net.nodes] == [(0,), (0,), (1, 2, 0)]
    y, dx = run(net, X, DY)
    assert_same_bits(y, 8 * X)
    assert_same_bits(dx, 8 * DY)


def test_gradients_of_an_output_that_several_layers_take_add_up():
    layers = [("a", Times(3)), ("b", Times(2, "a")), ("c", Times(7, "a")), ("d", Sum("a", "b", "c", "a"))]
    y, dx = run(wanting(layers), X, DY)
    assert_same_bits(y, 3 * 11 * X)
    assert_same_bits(dx, 3 * 11 * DY)


def test_a_fan_out_changes_no_array_that_a_layer_returned():
    seen = []

    class Keeps(Times):
        def forward(self, x, context):
            def backward(dy):
                dx = dy * self.factor
                seen.append((dx, dx.copy()))
                return dx

            return x * self.factor, backward

    run(network([("a", Times(1)), ("b", Keeps(2, "a")), ("c", Keeps(3, "a")), ("d", Sum("b", "c"))]), X, DY)
    for array, before in seen:
        assert_same_bits(array, before)


def test_shapes_run_through_the_graph():
    net = network([("a", Dense(5)), ("b", Dense(5)), ("c", Sum("a", "b")), ("d", Dense(2))])
    assert [node.shape for node in net.nodes] == [(5,), (5,), (5,), (2,)]
    assert (net.input_shape, net.shape, net.dtype) == ((3,), (2,), np.dtype("float32"))


def test_parameters_and_states_come_in_the_order_of_the_layers():
    net = network([("z", Dense(5)), ("a", Dense(2, bias=False))])
    assert [p.name for p in net.parameters] == ["z.weight", "z.bias", "a.weight"]
    assert [[p.name for p in node.parameters] for node in net.nodes] == [["z.weight", "z.bias"], ["a.weight"]]
    assert net.states == []


def test_a_network_without_layers_is_refused():
    no_network([], "a network needs at least one layer: add a [[network]] table")


def test_two_layers_of_one_id_are_refused():
    no_network(
        [("a", Times(1)), ("a", Times(2))], "two layers of the network have the id 'a'; ids must be unique"
    )


def test_an_unknown_input_is_refused_with_the_nearest_known():
    no_network(
        [("encoder", Times(1)), ("b", Times(1, "encodr"))],
        "layer 'b': inputs names 'encodr', which is no layer above it; did you mean 'encoder'?; "
        "there are 'encoder', 'input'",
    )


def test_a_layer_below_is_no_input():
    no_network(
        [("a", Times(1, "zzz")), ("zzz", Times(1))],
        "layer 'a': inputs names 'zzz', which is no layer above it; there are 'input'",
    )


def test_an_output_that_nothing_uses_is_refused():
    no_network(
        [("a", Times(1)), ("b", Times(1)), ("c", Times(1, "a"))],
        "the output of layer 'b' is used by no layer; remove it or name it",
    )


def test_a_shape_that_a_layer_refuses_is_the_users_mistake():
    error = no_network(
        [("a", Times(1)), ("b", Fails("shape"))], "layer 'b' (Fails): takes 5 columns, got (3,)"
    )
    assert isinstance(error.__cause__, ValueError)


def test_any_other_error_while_building_names_the_layer():
    with refused(OSError, "no such table", "while building layer 'b' (Fails)"):
        network([("a", Times(1)), ("b", Fails("build"))])


@pytest.mark.parametrize("when", ["forward", "backward"])
def test_an_error_at_work_names_the_layer_and_the_phase(when):
    net = network([("a", Times(1)), ("b", Fails(when)), ("c", Times(1))])
    with refused(ZeroDivisionError, "boom", f"in the {when} of layer 'b' (Fails)", "on rank 0 of 1"):
        run(net, X, DY)


def test_layers_are_described_in_the_callers_words():
    with refused(ConfigError, "layer 'b' (fails from plugin 'acme'): takes 5 columns, got (3,)"):
        Network([("b", Fails("shape"))], (3,), "f4", initializer, lambda layer: "fails from plugin 'acme'")


def test_the_context_knows_the_layer_at_work_in_both_phases():
    seen = []

    class Spy(Layer):
        def forward(self, x, context):
            seen.append(context.layer)
            return x, lambda dy: (seen.append(context.layer), dy)[1]

    run(network([("a", Spy()), ("b", Spy())]), X, DY)
    assert seen == ["a", "b", "b", "a"]


# ---------------------------------------------------------------------- gradients that nobody wants


class Lazy(Times):
    """No dx where nobody wants it, and at any rate none when told."""

    def __init__(self, factor, *inputs, never=False):
        super().__init__(factor, *inputs)
        self.never = never

    def forward(self, x, context):
        y, backward = super().forward(x, context)
        return y, lambda dy: backward(dy) if self.needs_dx and not self.never else None


def test_layers_in_front_of_which_nothing_is_trained_need_no_dx():
    layers = [("a", Lazy(1)), ("b", Scale()), ("c", Lazy(1)), ("d", Lazy(1, "input")), ("e", Sum("c", "d"))]
    net = network(layers)
    assert [node.layer.needs_dx for node in net.nodes] == [False, False, True, False, True]
    assert all(node.layer.needs_dx for node in wanting(layers).nodes)


def test_a_layer_at_several_places_gives_dx_if_any_of_them_needs_it():
    shared = Dense(3)
    net = network([("a", shared), ("b", shared)])
    assert net.nodes[0].layer.needs_dx


def test_a_gradient_that_nobody_wants_is_not_passed_on():
    y, dx = run(network(named(Lazy(2), Lazy(5))), X, DY)
    assert_same_bits(y, 10 * X)
    assert dx is None
    assert_same_bits(run(wanting(named(Lazy(2), Lazy(5))), X, DY)[1], 10 * DY)


def test_no_dx_where_it_is_needed_is_an_error_that_names_the_layer():
    notes = "in the backward of layer 'layer_2' (Lazy)", "on rank 0 of 1"
    with refused(TypeError, "backward must return dx, got None", *notes):
        run(wanting(named(Times(2), Lazy(5, never=True))), X, DY)


def test_a_watcher_sees_every_result_of_both_phases():
    seen = []
    net = wanting(named(Times(2), Times(5)))
    net.watch = lambda name, phase, array: seen.append((name, phase, array[0, 0]))
    run(net, X + 1, DY)
    assert seen == [
        ("layer_1", "forward", 2),
        ("layer_2", "forward", 10),
        ("layer_2", "backward", 5),
        ("layer_1", "backward", 10),
    ]


def test_a_pass_may_end_at_any_layer():
    seen = []
    net = wanting(named(Times(2), Times(5), Times(7)))
    net.watch = lambda name, phase, array: seen.append(name)
    for until, factor in ((1, 2), (2, 10), (3, 70), (None, 70)):
        (y,) = in_context(1, 4, lambda context, _, until=until: net.forward(X, context, until)[0])
        np.testing.assert_array_equal(y, factor * X)
    assert [seen.count(f"layer_{i}") for i in (1, 2, 3)] == [4, 3, 2]


# ---------------------------------------------------------------------- one layer in several places


def test_a_layer_object_used_twice_shares_its_parameters():
    shared = Dense(3)
    net = network([("a", shared), ("b", Times(1)), ("c", shared)])
    assert [p.name for p in net.parameters] == ["a.weight", "a.bias"]
    assert [[p.name for p in node.parameters] for node in net.nodes] == [["a.weight", "a.bias"], [], []]


def test_a_layer_object_used_on_another_shape_is_refused():
    shared = Dense(4)
    no_network(
        [("a", shared), ("b", shared)],
        "layer 'a' is used twice, with inputs of different shapes: its 'weight' would be "
        "(3, 4) and (4, 4); use it on inputs of one shape",
        "while building layer 'b' (Dense)",
    )


class Tied(Layer):
    """y = x·Wᵀ, with the W of another layer."""

    def __init__(self, to):
        self.to = to

    def build(self, shape, make):
        self.weight = make.tied(self.to)
        return (self.weight.shape[0],)

    def forward(self, x, context):
        def backward(dy):
            context.gradient(self.weight, lambda rows, out: np.matmul(dy[rows].T, x[rows], out=out))
            return context.matmul(dy, self.weight.value)

        return context.matmul(x, self.weight.value.T), backward


def twice():
    shared = Dense(3)
    return [("a", shared), ("b", Times(0.5)), ("c", shared)]


SHARING = {"used twice": twice, "tied": lambda: [("a", Dense(5)), ("b", Tied("a.weight"))]}


@pytest.mark.parametrize("layers", SHARING.values(), ids=SHARING)
@pytest.mark.parametrize("ranks", [1, 2, 3, 5])
def test_gradients_of_a_shared_parameter_add_up(layers, ranks):
    """Against finite differences in float64; the loss is Σ y·c."""
    random = np.random.default_rng(0)
    x, c = random.standard_normal((2, 13, 3))

    def job(communicator):
        net = network(layers(), (3,), "float64")
        replica = Replica(net, communicator, 8, seed=0)
        replica.initialize()
        context, layout = replica.context, _layout(replica, 13)
        mine = slice(layout.start, layout.stop)
        context.begin(layout, training=True, step=0, epoch=0, place=0)
        _, backward = net.forward(x[mine], context)
        replica.gradients.begin(layout.slices)
        backward(c[mine])
        replica.gradients.end()
        communicator.barrier()
        total = replica.gather(replica.exchange.reduce(1.0)[0])
        return {p.name: (replica.layout.view(total, p).copy(), p.value.copy()) for p in net.parameters}

    results = run_ranks(ranks, job)
    found = results[0]

    net = network(layers(), (3,), "float64")

    def loss(values):
        for p in net.parameters:
            p._value = values[p.name]
        (y,) = in_context(1, 13, lambda context, mine: net.forward(x, context)[0].copy())
        return float((y * c).sum())

    for name, (gradient, value) in found.items():
        numeric = np.zeros_like(value)
        for i in np.ndindex(value.shape):
            values = {n: v.copy() for n, (_, v) in found.items()}
            values[name][i] = value[i] + 1e-6
            up = loss(values)
            values[name][i] = value[i] - 1e-6
            numeric[i] = (up - loss(values)) / 2e-6
        np.testing.assert_allclose(gradient, numeric, rtol=1e-6, atol=1e-7)
    for other in results[1:]:
        for name, (gradient, _) in other.items():
            assert_same_bits(gradient, found[name][0])


def _layout(replica, rows):
    return Layout(rows, replica.shards, replica.first, replica.last)


def test_the_backward_of_a_layer_with_parameters_reaches_its_gradient():
    """Scale's gradient is Σ x·dy: nodes of the cover hold it."""
    net = network([("a", Scale())])

    def job(communicator):
        replica = Replica(net, communicator, 8, seed=0)
        layout = _layout(replica, 8)
        replica.context.begin(layout, training=True, step=0, epoch=0, place=0)
        x = np.arange(24, dtype=np.float32).reshape(8, 3)
        _, backward = net.forward(x, replica.context)
        replica.gradients.begin(layout.slices)
        backward(np.full_like(x, 2))
        replica.gradients.end()
        assert len(replica.exchange.nodes) == len(cover(0, 8, 8)) == 1
        np.testing.assert_array_equal(net.parameters[0].grad, 2 * x.sum(axis=0))

    run_ranks(1, job)
