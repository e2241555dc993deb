"""Gradients that set out during the backward pass: when they do, and with which numbers they come back."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from dtrain.communicator import run_ranks
from dtrain.contracts import ArrayRows, GradientExchange, Layer
from dtrain.errors import CollectiveMismatch, PeerFailed, RankLost
from dtrain_plugins.activations.relu import Relu
from dtrain_plugins.layers.batch_norm import BatchNorm
from dtrain_plugins.layers.dense import Dense
from dtrain_plugins.losses.softmax_cross_entropy import SoftmaxCrossEntropy
from dtrain_plugins.optimizers.adam import Adam
from tests.engine.delays import Delays, Untold
from tests.support import Job, Scale, classes, named, network, refused

SMALL = 4 / 1024  # MiB: one block of 1024 float32
RANKS = (1, 2, 3, 5)


class Tree(GradientExchange):
    """The fixed tree."""

    exact = True

    def total(self, part):
        yield from part.exact()


class Noted(Tree):
    """Notes the number of each bucket that rank 0 starts."""

    def __init__(self, events, **options):
        super().__init__(SMALL, **options)
        self.events = events

    def total(self, part):
        if part.rank == 0:
            self.events.append(part.number)
        yield from part.exact()


class Halves(GradientExchange):
    """Sends 16 bits of each number, and keeps the rest for the next step."""

    slots = ("rest",)

    def total(self, part):
        np.add(part.gradient, part.slots["rest"], out=part.gradient)
        sent = part.gradient.astype(np.float16)
        np.subtract(part.gradient, sent, out=part.slots["rest"])
        every = yield from part.gather(sent)
        np.add.reduce(every, axis=0, dtype=part.gradient.dtype, out=part.gradient)


class Twice(Scale):
    """Its weight has two uses."""

    def forward(self, x, context):
        y, first = super().forward(x, context)
        z, second = super().forward(y, context)
        return z, lambda dy: first(second(dy))


class Idle(Layer):
    """Parameters that get no gradient: one is frozen, one has no use; one has one in every second step."""

    def build(self, shape, make):
        self.frozen = make.parameter("frozen", (1500,), "drawn", trainable=False)
        self.unused = make.parameter("unused", (1500,), "drawn")
        self.rare = make.parameter("rare", shape, "drawn")
        return shape

    def forward(self, x, context):
        def backward(dy):
            if context.step % 2 == 0:
                context.gradient(self.rare, lambda rows, out: np.sum(dy[rows], axis=0, out=out))
            return dy

        return x + self.rare.value, backward


class Tied(Layer):
    """Back through the transpose of the first layer's weight."""

    def build(self, shape, make):
        self.weight = make.tied("layer_1.weight")
        return (self.weight.shape[0],)

    def forward(self, x, context):
        w = self.weight.value

        def backward(dy):
            context.gradient(self.weight, lambda rows, out: np.matmul(dy[rows].T, x[rows], out=out))
            return context.matmul(dy, w)

        return context.matmul(x, np.ascontiguousarray(w.T)), backward


NETS = {
    "dense": lambda: (Dense(150, bias=False), BatchNorm(), Relu(), Dense(40), Relu(), Dense(3)),
    "twice": lambda: (Dense(300), Twice(), Relu(), Dense(3)),
    "tied": lambda: (Dense(400), Relu(), Tied(), Dense(3)),
    "idle": lambda: (Dense(300), Idle(), Dense(3)),
}


def trained(
    exchange, net="dense", *, rows=97, batch_size=32, wrap=lambda communicator: communicator, **options
):
    def body(communicator):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            job = Job(
                wrap(communicator), network(named(*NETS[net]()), (6,)), SoftmaxCrossEntropy(), Adam(lr=0.01),
                classes(rows), batch_size=batch_size, exchange=exchange and exchange(), **options,
            )  # fmt: skip
        job.train(2)
        slots = {**job.slots(), **job.replica.exchange.slots}
        return job.replica.digest(), {name: slot.tobytes() for name, slot in slots.items()}

    return body


def overlapped():
    return Tree(SMALL, overlap=True)


@pytest.mark.parametrize("ranks", RANKS)
@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize(
    "options", [{}, {"parts": 3}, {"rows": 9, "batch_size": 5}, {"shards": 5}],
    ids=["plain", "accumulated", "empty shards", "five shards"],
)  # fmt: skip
def test_buckets_under_way_in_the_backward_pass_end_in_the_bits_of_slices_after_it(ranks, net, options):
    (expected,) = run_ranks(1, trained(None, net, **options))
    assert run_ranks(ranks, trained(overlapped, net, **options), False) == [expected] * ranks


@pytest.mark.parametrize("ranks", [2, 3])
@pytest.mark.parametrize("options", [{}, {"parts": 3}], ids=["plain", "accumulated"])
def test_an_inexact_exchange_gives_the_same_with_and_without_overlap(ranks, options):
    def with_overlap(overlap):
        return run_ranks(ranks, trained(lambda: Halves(SMALL, overlap), **options))

    assert with_overlap(True) == with_overlap(False)


@pytest.mark.parametrize("ranks", [2, 3, 5])
def test_delays_change_nothing(ranks):
    (expected,) = run_ranks(1, trained(None))
    assert run_ranks(ranks, trained(overlapped, wrap=Delays)) == [expected] * ranks


@pytest.mark.parametrize("ranks", [2, 3])
def test_without_tags_they_would(ranks):
    (expected,) = run_ranks(1, trained(None))
    try:
        found = run_ranks(ranks, trained(overlapped, wrap=Untold))
    except CollectiveMismatch:
        return
    assert found != [expected] * ranks


# ---------------------------------------------------------------------- when


class Tells(Scale):
    """Notes when its backward begins."""

    def __init__(self, events):
        self.events = events

    def forward(self, x, context):
        y, backward = super().forward(x, context)

        def told(dy):
            if context.layout.start == 0 and len(dy):  # not in the trial pass
                self.events.append(context.layer)
            return backward(dy)

        return y, told


def events_of(overlap, layers, shape=(1024,), **options):
    """What rank 0 of 2 does in one step: names of layers and numbers of buckets."""
    events = []
    layers = layers(events)  # one object in both ranks would be one layer

    def body(communicator):
        net = network(named(*[make() for make in layers]), shape)
        data = ArrayRows(np.ones((16, *shape), np.float32), np.arange(16) % 3)
        job = Job(
            communicator, net, SoftmaxCrossEntropy(), Adam(), data, batch_size=16,
            exchange=Noted(events, overlap=overlap), **options,
        )  # fmt: skip
        job.train(1)

    run_ranks(2, body)
    return events


def three(events):
    return [lambda: Tells(events)] * 3


def test_a_bucket_sets_out_before_the_backward_of_the_layer_in_front():
    """Each layer's weight is one bucket; the flat array holds them in the order of the network."""
    assert events_of(True, three) == ["layer_3", 2, "layer_2", 1, "layer_1", 0]


def test_without_overlap_they_set_out_afterwards():
    assert events_of(False, three) == ["layer_3", "layer_2", "layer_1", 0, 1, 2]


def test_a_bucket_waits_for_every_parameter_in_it():
    """Weights of 768 elements: the second block holds a part of each layer's."""
    assert events_of(True, three, (768,)) == ["layer_3", 2, "layer_2", 1, "layer_1", 0]
    assert events_of(True, three, (600,)) == ["layer_3", "layer_2", 1, "layer_1", 0]


def test_a_layer_used_twice_sets_out_after_its_second_use():
    class TellsTwice(Tells):
        def forward(self, x, context):
            y, first = super().forward(x, context)
            z, second = super().forward(y, context)
            return z, lambda dy: first(second(dy))

    found = events_of(True, lambda events: [lambda: TellsTwice(events), lambda: Tells(events)])
    assert found == ["layer_2", 1, "layer_1", "layer_1", 0]


def test_what_gets_no_gradient_sets_out_at_the_end():
    class Unused(Tells):
        def forward(self, x, context):
            return x, lambda dy: dy

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = events_of(True, lambda events: [lambda: Tells(events), lambda: Unused(events)])
    assert found == ["layer_1", 0, 1]


def test_micro_batches_of_an_exact_exchange_all_set_out_early():
    assert events_of(True, three, parts=2) == 2 * ["layer_3", 2, "layer_2", 1, "layer_1", 0]


# ---------------------------------------------------------------------- mistakes and failures


def test_one_gradient_more_than_in_the_trial_pass_is_told():
    class More(Twice):
        def forward(self, x, context):
            y, backward = super().forward(x, context)

            def thrice(dy):
                if len(dy):
                    context.gradient(self.weight, lambda rows, out: out.fill(0))
                return backward(dy)

            return y, thrice

    def body(communicator):
        job = Job(
            communicator, network(named(More())), SoftmaxCrossEntropy(), Adam(), classes(16, 3), batch_size=16,
            exchange=overlapped(),
        )  # fmt: skip
        job.train(1)

    message = (
        "parameter 'layer_1.weight' got 3 gradients in one step, where the trial pass on an empty batch saw 2; "
        "a layer must call context.gradient equally often for any batch"
    )
    notes = ["in the backward of layer 'layer_1' (More)", "on rank 0 of 1"]
    with refused(RuntimeError, message, *notes):
        run_ranks(1, body)


class Breaks(Scale):
    """Does something in its backward pass, on the last of three ranks, once others are under way."""

    def __init__(self, act):
        self.act = act

    def forward(self, x, context):
        y, backward = super().forward(x, context)

        def breaks(dy):
            if context.layout.start >= 8:
                self.act()
            return backward(dy)

        return y, breaks


def broken(communicator, act):
    job = Job(
        communicator, network(named(Scale(), Breaks(act), Scale()), (1024,)), SoftmaxCrossEntropy(), Adam(),
        ArrayRows(np.ones((12, 1024), np.float32), np.arange(12) % 3), batch_size=12, exchange=overlapped(),
    )  # fmt: skip
    job.train(1)


def test_a_failure_in_the_middle_of_the_backward_pass_takes_all_ranks_out():
    seen = []

    def body(communicator):
        def act():
            raise ValueError("boom")

        try:
            broken(communicator, act)
        except PeerFailed as error:
            seen.append(str(error))
            raise

    with refused(ValueError, "boom", "in the backward of layer 'layer_2' (Breaks)", "on rank 2 of 3"):
        run_ranks(3, body)
    assert len(seen) == 2
    assert all(text.startswith("rank 2 of 3 failed with ValueError while this rank was in ") for text in seen)


def test_a_loss_in_the_middle_of_the_backward_pass_leaves_the_others_able_to_go_on():
    def body(communicator):
        with pytest.raises(RankLost):
            broken(communicator, communicator.die)
        communicator.shrink()
        found = trained(overlapped)(communicator)
        return communicator.size, found

    (expected,) = run_ranks(1, trained(None))
    assert run_ranks(3, body, deaths={}) == [(2, expected)] * 2


def test_a_step_that_is_not_finite_on_one_rank_changes_nothing_on_any():
    def body(communicator):
        data = classes(64)
        data.x[63] = np.inf  # a row of the last rank
        job = Job(
            communicator, network(named(Dense(300), Dense(3)), (6,)), SoftmaxCrossEntropy(), Adam(lr=0.1), data,
            batch_size=64, exchange=Halves(SMALL, overlap=True),
        )  # fmt: skip
        before = job.replica.digest()
        taken = job.step(job.batches.whole(0), 0, 0)
        slots = [s.any() for s in (*job.update.slots.values(), *job.replica.exchange.slots.values())]
        return taken, job.replica.digest() == before, any(slots)

    with np.errstate(all="ignore"):
        assert run_ranks(3, body) == [(False, True, False)] * 3
