"""Layers learn from the training set as it reaches them, the same on all ranks."""

from __future__ import annotations

import numpy as np
import pytest

from dtrain.communicator import run_ranks
from dtrain.contracts import ArrayRows, Layer
from dtrain.data import Batches
from dtrain.engine import Replica, fits_at, learn
from dtrain.errors import DataError, NonFiniteError, RunError
from dtrain.trainer.watch import Watch
from dtrain_plugins.layers.batch_norm import BatchNorm
from dtrain_plugins.layers.dense import Dense
from dtrain_plugins.layers.dropout import Dropout
from dtrain_plugins.layers.parallel import Parallel
from dtrain_plugins.layers.residual import Residual
from tests.support import (
    MEMORY,
    Scale,
    Sum,
    assert_other_bits,
    assert_same_bits,
    named,
    network,
    refused,
    serial,
)

RANKS = (1, 2, 3)
X = (3 + 2 * np.random.default_rng(1).standard_normal((21, 4))).astype(np.float32)


class Centre(Layer):
    """y = x − μ; notes what it was given."""

    fits = "start"

    def __init__(self, fits="start"):
        self.fits, self.seen = fits, []

    def build(self, shape, make):
        self.mean = make.state("mean", shape)
        return shape

    def fit(self, batches, context):
        total, count = np.zeros(self.mean.value.shape), 0
        for x in batches:
            self.seen.append((context.layer, context.training, context.rows, x.copy()))
            total = total + context.sum(x.astype(np.float64))
            count += context.rows
        self.mean.value = total / count

    def forward(self, x, context):
        return x - self.mean.value.astype(x.dtype), lambda dy: dy


def fitted(communicator, layers, moment="start", x=X, shape=(4,), whole=True, watch=False):
    net = network(layers, shape)
    replica = Replica(net, communicator, 8, 0)
    replica.initialize()
    if watch:
        net.watch = Watch(net)
    batches = Batches(ArrayRows(x, None, whole), 8, 8, replica.first, replica.last, net.dtype)
    learn(replica, batches, moment)
    return replica


def on(ranks, job, share_memory=True):
    return [serial(job)] if ranks == 1 else run_ranks(ranks, job, share_memory)


def told_on_all_ranks(kind, message, job, share_memory=True):
    with pytest.raises(kind) as caught:
        run_ranks(2, job, share_memory)
    assert (str(caught.value), caught.value.everywhere) == (message, True)


@pytest.mark.parametrize("ranks", RANKS)
def test_an_item_is_this_ranks_rows_of_a_global_batch_in_inference(ranks):
    def job(communicator):
        layer = Centre()
        fitted(communicator, named(Dropout(0.5), layer))
        return layer.seen

    seen = on(ranks, job)
    for batch, rows in enumerate((8, 8, 5)):
        parts = [rank[batch] for rank in seen]
        assert {part[:3] for part in parts} == {("layer_2", False, rows)}
        np.testing.assert_array_equal(
            np.concatenate([part[3] for part in parts]), X[8 * batch : 8 * batch + rows]
        )
    assert [len(rank) for rank in seen] == [3] * ranks


def test_layers_learn_in_order_each_behind_those_that_have_learned():
    inner, branch, last = Centre(), Centre(), Centre()
    layers = named(Scale(), Residual([inner, Scale()]), Parallel([[Scale()], [branch]], join="sum"), last)
    replica = on(1, lambda communicator: fitted(communicator, layers))[0]
    w1, w2, w3 = (p.value for p in replica.network.parameters)
    names = [layer.seen[0][0] for layer in (inner, branch, last)]
    assert names == ["layer_2.1", "layer_3.2.1", "layer_4"]
    x = X * w1
    np.testing.assert_allclose(inner.mean.value, x.mean(axis=0), rtol=1e-5)
    x = x + (x - x.mean(axis=0)) * w2
    np.testing.assert_allclose(branch.mean.value, x.mean(axis=0), rtol=1e-5)
    x = x * w3 + x - x.mean(axis=0)
    np.testing.assert_allclose(last.mean.value, x.mean(axis=0), rtol=1e-5)


def test_a_layer_at_several_places_learns_once_at_the_first():
    layer = Centre()
    on(1, lambda communicator: fitted(communicator, named(layer, Scale(), layer)))
    assert len(layer.seen) == 3
    np.testing.assert_allclose(layer.mean.value, X.mean(axis=0), rtol=1e-6)


def test_only_those_of_this_moment_learn():
    start, end, never = Centre(), Centre("end"), Centre("")
    layers = named(start, end, never)
    replica = on(1, lambda communicator: fitted(communicator, layers, "end"))[0]
    assert [len(layer.seen) for layer in (start, end, never)] == [0, 3, 0]
    assert fits_at(replica.network, "end")
    assert fits_at(replica.network, "start")
    assert not fits_at(network(named(never, Dense(2)), (4,)), "start")


@MEMORY
@pytest.mark.parametrize("ranks", RANKS)
def test_what_is_learned_has_the_same_bits_on_any_ranks(ranks, share_memory):
    def digest(communicator):
        return fitted(communicator, named(Dense(5), Centre(), BatchNorm(), Centre())).digest()

    assert on(ranks, digest, share_memory) == on(1, digest) * ranks


class Weighs(Layer):
    """Learns its parameter; in place, as an element of the whole that other ranks may read."""

    fits = "start"

    def build(self, shape, make):
        self.w = make.parameter("w", shape, "ones")
        return shape

    def fit(self, batches, context):
        for x in batches:
            self.w.value[...] *= 1 + context.max(x)

    def forward(self, x, context):
        return x * self.w.value, lambda dy: dy


@MEMORY
@pytest.mark.parametrize("ranks", RANKS)
def test_a_parameter_may_be_changed_in_place_and_counts_once(ranks, share_memory):
    def value(communicator):
        return fitted(communicator, named(Weighs())).network.parameters[0].value.copy()

    for found in on(ranks, value, share_memory):
        np.testing.assert_allclose(found, np.prod([1 + X[a : a + 8].max(axis=0) for a in (0, 8, 16)], axis=0))


def test_items_are_copies_and_scratch_may_be_learned():
    class Keeps(Centre):
        def fit(self, batches, context):
            self.items = list(batches)
            self.mean.value = context.empty((4,), np.float64)
            self.mean.value.fill(2)
            self.given = self.mean.value

    layer = Keeps()
    on(1, lambda communicator: fitted(communicator, named(Dense(4, initializer="drawn"), layer)))
    assert_other_bits(layer.items[0], layer.items[1])
    layer.given.fill(7)
    np.testing.assert_array_equal(layer.mean.value, [2] * 4)


def test_a_layer_of_several_inputs_gets_tuples():
    class Both(Sum):
        fits = "start"

        def fit(self, batches, context):
            self.items = list(batches)

    layer = Both("layer_1", "input")
    on(1, lambda communicator: fitted(communicator, named(Scale(), layer)))
    assert [type(item) for item in layer.items] == [tuple] * 3
    assert_same_bits(layer.items[2][1], X[16:])


def test_a_micro_batch_of_no_rows_at_all_is_left_out():
    def job(communicator):
        layer = Centre()
        net = network(named(layer), (4,))
        replica = Replica(net, communicator, 8, 0)
        batches = Batches(ArrayRows(X[:9], None), 8, 8, replica.first, replica.last, net.dtype, parts=3)
        learn(replica, batches, "start")
        np.testing.assert_allclose(layer.mean.value, X[:9].mean(axis=0), rtol=1e-6)
        return [rows for _, _, rows, _ in layer.seen]

    assert on(2, job) == [[2, 3, 3, 1]] * 2


# ---------------------------------------------------------------------- what is wrong


def test_an_error_names_the_layer():
    class Fails(Centre):
        def fit(self, batches, context):
            raise ArithmeticError("no")

    with refused(ArithmeticError, "no", "in the fit of layer 'layer_1.1' (Fails)"):
        on(1, lambda communicator: fitted(communicator, named(Residual([Fails()]))))


def test_a_layer_that_does_not_say_how_it_learns_is_told_so():
    class Bare(Layer):
        fits = "start"

        def forward(self, x, context):
            return x, lambda dy: dy

    with refused(NotImplementedError, "Bare has no fit", "in the fit of layer 'layer_1' (Bare)"):
        on(1, lambda communicator: fitted(communicator, named(Bare())))


@pytest.mark.parametrize(
    ("value", "got"),
    [
        (np.zeros(3), "(3,) and float64"),
        (np.zeros(4, np.float32), "(4,) and float32"),
        (0.0, "() and float64"),
    ],
)
def test_a_state_keeps_its_shape_and_dtype(value, got):
    class Bent(Centre):
        def fit(self, batches, context):
            self.mean.value = value

    message = f"fit must leave 'layer_1.mean' of shape (4,) and dtype float64, as build made it, got {got}"
    with refused(TypeError, message, "in the fit of layer 'layer_1' (Bent)"):
        on(1, lambda communicator: fitted(communicator, named(Bent())))


@MEMORY
@pytest.mark.parametrize("own", ["state", "parameter"])
def test_ranks_that_learn_something_else_are_found(own, share_memory):
    class Own(Weighs):
        def build(self, shape, make):
            self.mean = make.state("mean", shape)
            return super().build(shape, make)

        def fit(self, batches, context):
            for x in batches:
                if own == "state":
                    self.mean.value = x.sum(axis=0).astype(np.float64)
                else:
                    self.w.value[...] = x.sum(axis=0)

    on(1, lambda communicator: fitted(communicator, named(Own())))
    message = (
        "layer 'layer_1': expected its fit to learn the same on all ranks, got something else on rank 1 than on "
        "rank 0; what crosses rows goes through the context (context.sum(x) instead of x.sum(axis=0))"
    )
    told_on_all_ranks(RunError, message, lambda c: fitted(c, named(Own())), share_memory)


def test_samples_that_cannot_be_used_end_the_pass_on_all_ranks():
    x = X.copy()
    x[17, 1] = np.inf
    message = "[data]: x of sample 17 is not finite; clean the data"
    told_on_all_ranks(DataError, message, lambda c: fitted(c, named(Scale(), Centre()), x=x, whole=False))


def test_debugging_looks_at_the_layers_on_the_way_and_at_what_was_learned():
    class Infinite(Layer):
        def forward(self, x, context):
            return (x / 0 if len(x) else x), lambda dy: dy

    class LearnsNaN(Centre):
        def fit(self, batches, context):
            self.mean.value = np.array([1.0, 1.0, np.nan, 1.0])

    on(1, lambda communicator: fitted(communicator, named(Centre(), LearnsNaN())))
    with refused(NonFiniteError, "layer 'layer_2', fit: what it learned is not finite at (2,): nan"):
        on(1, lambda communicator: fitted(communicator, named(Centre(), LearnsNaN()), watch=True))
    with np.errstate(divide="ignore"), pytest.raises(NonFiniteError) as caught:
        on(1, lambda communicator: fitted(communicator, named(Infinite(), Centre()), watch=True))
    assert str(caught.value) == ("layer 'layer_1', forward: its output y is not finite at (0, 0): inf")
    assert caught.value.__notes__ == [
        "in the forward of layer 'layer_1' (Infinite)",
        "in the fit of layer 'layer_2' (Centre)",
    ]
