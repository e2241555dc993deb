"""Gradients that meet as a part says: what the part is shown, and what becomes of what it leaves."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from dtrain.communicator import run_ranks
from dtrain.contracts import Exchange, GradientExchange
from dtrain.engine.buckets import Buckets, cut
from dtrain.engine.shards import rank_ranges
from dtrain.engine.tree import cover
from dtrain.parameter import FlatLayout, Parameter
from dtrain.trainer.update import Penalty
from dtrain_plugins.activations.relu import Relu
from dtrain_plugins.layers.batch_norm import BatchNorm
from dtrain_plugins.layers.dense import Dense
from dtrain_plugins.losses.softmax_cross_entropy import SoftmaxCrossEntropy
from dtrain_plugins.optimizers.adam import Adam
from dtrain_plugins.optimizers.lamb import Lamb
from dtrain_plugins.optimizers.lars import Lars
from dtrain_plugins.regularizers.l2 import L2
from dtrain_plugins.regularizers.weight_decay import WeightDecay
from tests.support import (
    RANKS,
    Constant,
    Job,
    assert_other_bits,
    assert_same_bits,
    classes,
    named,
    network,
    refused,
    rough,
    tree_sum,
)

SMALL = 4 / 1024  # MiB: one block of 1024 float32


class Tree(GradientExchange):
    """The fixed tree, by the part's own call of it."""

    exact = True

    def total(self, part):
        yield from part.exact()


class InRankOrder(GradientExchange):
    """Gathers all gradients and adds them rank by rank."""

    def total(self, part):
        every = yield from part.gather(part.gradient)
        part.gradient[:] = np.add.reduce(every, axis=0)


class Assigns(InRankOrder):
    """The same, in the forms in which users may write it."""

    def total(self, part):
        own = part.gradient.copy()
        part.gradient -= own
        every = yield from part.gather(own)
        if part.number % 2:
            part.gradient += np.add.reduce(every, axis=0)
        else:
            part.gradient = np.add.reduce(every, axis=0)


class Remembers(GradientExchange):
    """Counts the updates that it has been asked for in a slot, and adds up its own gradients."""

    slots = ("count", "sum")

    def total(self, part):
        part.slots["count"][:] += 1
        part.slots["sum"][:] += part.gradient
        yield from part.exact()


def layout_of(*sizes):
    return FlatLayout(
        [Parameter(f"p{i}", (n,), "weight", Constant(0), (1, 1)) for i, n in enumerate(sizes)], 1024
    )


def reduced(part, gradients, shards=8, steps=1, scale=0.25):
    """A body: what every rank has after `reduce`, with a shard's gradient a row of `gradients`."""
    layout = layout_of(gradients.shape[1])

    def body(communicator):
        ranges = rank_ranges(shards, communicator.size)
        exchange = Buckets(layout, shards, ranges, communicator, gradients.dtype, part, lambda: 1)
        for _ in range(steps):
            for (a, b), node in zip(cover(*ranges[communicator.rank], shards), exchange.nodes, strict=True):
                node[: gradients.shape[1]] = tree_sum(list(gradients[a:b]))
            total, finite = exchange.reduce(scale)
            if finite:
                exchange.publish()
        return total[: gradients.shape[1]].copy(), finite, {k: v.copy() for k, v in exchange.slots.items()}

    return body


def test_a_part_may_assign_the_gradient_or_change_it_in_place():
    gradients = np.random.default_rng(0).standard_normal((8, 3000)).astype(np.float32)
    found = run_ranks(3, reduced(Assigns(SMALL), gradients))
    expected = run_ranks(3, reduced(InRankOrder(SMALL), gradients))
    for (total, *_), (other, *_) in zip(found, expected, strict=True):
        assert_same_bits(total, other)


# ---------------------------------------------------------------------- buckets


@pytest.mark.parametrize(
    ("mebibytes", "itemsize", "sizes"),
    [
        (1.0, 4, [5 * 1024]),
        (float("inf"), 4, [5 * 1024]),
        (1e-300, 4, [1024] * 5),
        (SMALL, 4, [1024] * 5),
        (SMALL, 8, [1024] * 5),  # never less than a block
        (2 * SMALL, 8, [1024] * 5),
        (2.9 * SMALL, 4, [2048, 2048, 1024]),
        (4 * SMALL, 8, [2048, 2048, 1024]),
    ],
)
def test_buckets_are_whole_blocks_from_the_start_of_the_flat_array(mebibytes, itemsize, sizes):
    stretches = cut(layout_of(4 * 1024 + 7), mebibytes, itemsize)
    assert [s.stop - s.start for s in stretches] == sizes
    assert stretches[0].start == 0
    assert all(a.stop == b.start for a, b in pairwise(stretches))


@pytest.mark.parametrize("ranks", RANKS)
@pytest.mark.parametrize("bucket", [1.0, SMALL, 2 * SMALL])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_exact_total_is_that_of_the_tree_over_shards_on_all_ranks(ranks, bucket, dtype):
    gradients = rough(8, 3000, dtype=dtype)
    expected = np.multiply(tree_sum(list(gradients)), 0.25)
    for total, finite, _ in run_ranks(ranks, reduced(Tree(bucket=bucket), gradients), False):
        assert finite
        assert_same_bits(total, expected)


def test_a_sum_in_rank_order_is_another_one():
    gradients = rough(8, 3000)
    expected = np.multiply(tree_sum(list(gradients)), 0.25)
    totals = [total for total, _, _ in run_ranks(3, reduced(InRankOrder(), gradients))]
    for total in totals:
        assert_same_bits(total, totals[0])
        assert_other_bits(total, expected)
        np.testing.assert_allclose(total, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("ranks", [1, 3])
def test_a_part_is_shown_its_ranks_share_of_the_mean_bucket_by_bucket(ranks):
    seen = []

    class Looks(Tree):
        def total(self, part):
            share = part.gradient.copy()
            seen.append((part.rank, part.size, part.number, part.step, share))
            yield from part.exact()

    gradients = rough(8, 2 * 1024)
    run_ranks(ranks, reduced(Looks(bucket=SMALL), gradients))
    assert sorted(one[:4] for one in seen) == [(r, ranks, n, 1) for r in range(ranks) for n in (0, 1)]
    for number in (0, 1):
        shares = [share for _, _, n, _, share in seen if n == number]
        whole = gradients.astype(float).sum(axis=0)[1024 * number : 1024 * (number + 1)]
        np.testing.assert_allclose(sum(s.astype(float) for s in shares), 0.25 * whole, rtol=1e-3, atol=1e-4)


# ---------------------------------------------------------------------- slots


def test_slots_are_a_ranks_own_and_last_from_step_to_step():
    gradients = rough(8, 2000)
    found = run_ranks(2, reduced(Remembers(bucket=SMALL), gradients, steps=3))
    for (_, _, slots), shares in zip(found, (gradients[:4], gradients[4:]), strict=True):
        assert (slots["count"] == 3).all()
        np.testing.assert_allclose(slots["sum"][:2000], 0.75 * tree_sum(list(shares)), rtol=1e-5)


@pytest.mark.parametrize("bad", [np.inf, np.nan])
@pytest.mark.parametrize("shard", [0, 7])
def test_what_a_gradient_that_is_not_finite_left_in_slots_is_taken_back(bad, shard):
    good = rough(8, 2000)
    broken = good.copy()
    broken[shard, 1500] = bad
    for _, finite, slots in run_ranks(2, reduced(Remembers(bucket=SMALL), broken, steps=2)):
        assert not finite
        assert not slots["count"].any()
        assert not slots["sum"].any()
    assert all(slots["count"].all() for _, _, slots in run_ranks(2, reduced(Remembers(), good)))


def test_a_rank_sees_that_its_own_gradient_is_not_finite_though_the_total_is():
    class Hides(GradientExchange):
        def total(self, part):
            part.gradient[:] = 0
            yield from part.gather(part.gradient)

    gradients = rough(8, 100)
    gradients[0, 3] = np.nan
    assert [finite for _, finite, _ in run_ranks(2, reduced(Hides(), gradients))] == [False, True]


# ---------------------------------------------------------------------- whole runs


def layers():
    return named(Dense(50, bias=False), BatchNorm(), Relu(), Dense(30), Relu(), Dense(3))


def decay(net):
    weights = [p for p in net.parameters if p.role == "weight"]
    return [Penalty(L2(0.01), weights), Penalty(WeightDecay(0.01), weights)]


OPTIONS = {
    "adam": {},
    "lars": {"optimizer": lambda: Lars(lr=0.1)},
    "lamb": {"optimizer": lambda: Lamb(lr=0.01)},
    "clipped": {"clip_norm": 0.05, "clip_value": 0.02},
    "regularized": {"penalties": decay},
    "accumulated": {"parts": 3},
    "float64": {"dtype": "float64"},
}


def trained(exchange, *, dtype="float32", optimizer=lambda: Adam(lr=0.01), **options):
    def body(communicator):
        net = network(layers(), (6,), dtype)
        job = Job(
            communicator, net, SoftmaxCrossEntropy(), optimizer(), classes(97), batch_size=32,
            exchange=exchange and exchange(), **options,
        )  # fmt: skip
        assert all(job.train(2))
        return job.replica.digest(), {name: slot.tobytes() for name, slot in job.slots().items()}

    return body


@pytest.mark.parametrize("ranks", RANKS)
@pytest.mark.parametrize("name", OPTIONS)
def test_whole_arrays_on_every_rank_end_in_the_bits_of_slices(name, ranks):
    (expected,) = run_ranks(1, trained(None, **OPTIONS[name]))
    found = run_ranks(ranks, trained(lambda: Tree(bucket=SMALL), **OPTIONS[name]), False)
    assert found == [expected] * ranks


def test_gradients_added_in_rank_order_end_in_other_bits_the_same_on_all_ranks():
    (expected,) = run_ranks(1, trained(Exchange))
    (one, *others) = run_ranks(3, trained(InRankOrder))
    assert one[0] != expected[0]
    assert others == [one] * 2


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_micro_batches_of_an_inexact_exchange_meet_once_a_step(ranks):
    steps = []

    class Counts(InRankOrder):
        def total(self, part):
            steps.append(part.rank)
            yield from super().total(part)

    found = run_ranks(ranks, trained(Counts, parts=3, dtype="float64"))
    assert sorted(steps) == sorted([*range(ranks)] * 8)
    assert len(set(map(str, found))) == 1


def test_a_step_that_is_not_finite_on_one_rank_changes_nothing_on_any():
    def body(communicator):
        data = classes(64)
        data.x[63] = np.inf  # a row of the last rank
        job = Job(
            communicator, network(named(Dense(3)), (6,)), SoftmaxCrossEntropy(), Adam(lr=0.1), data,
            batch_size=64, exchange=Remembers(),
        )  # fmt: skip
        before = job.replica.digest()
        taken = job.step(job.batches.whole(0), 0, 0)
        slots = [s.any() for s in (*job.update.slots.values(), *job.replica.exchange.slots.values())]
        return taken, job.replica.digest() == before, any(slots)

    with np.errstate(all="ignore"):
        assert run_ranks(3, body) == [(False, True, False)] * 3


# ---------------------------------------------------------------------- mistakes


def test_a_total_that_is_no_generator_is_told():
    class Plain(GradientExchange):
        def total(self, part):
            part.gradient[:] = 0

    message = (
        "total of the exchange Plain must be a generator function, with `yield from` before every move, got a "
        "function that returns NoneType"
    )
    with refused(TypeError, message, "on rank 0 of 1"):
        run_ranks(1, reduced(Plain(), rough(8, 10)))


def test_a_bucket_is_above_nothing():
    with refused(ValueError, "bucket must be above 0 MiB, got 0"):
        Tree(bucket=0)
