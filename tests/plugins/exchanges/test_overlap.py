"""The bits of the tree over shards, bucket by bucket, for the bytes of the exact exchange."""

from __future__ import annotations

import pytest

from dtrain.communicator import CountingCommunicator, run_ranks
from dtrain.contracts import Exchange
from dtrain_plugins.exchanges.exact import Exact
from dtrain_plugins.exchanges.overlap import Overlap
from dtrain_plugins.layers.dense import Dense
from dtrain_plugins.losses.softmax_cross_entropy import SoftmaxCrossEntropy
from dtrain_plugins.optimizers.sgd import Sgd
from tests.plugins.exchanges.support import totals
from tests.support import Drawn, Job, assert_same_bits, classes, named, network, rough, tree_sum


@pytest.mark.parametrize("ranks", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("bucket", [1 / 256, 1.0])
def test_its_total_is_that_of_the_tree(ranks, bucket):
    gradients = rough(2, ranks, 5 * 1024)
    for got, slots, _ in totals(lambda: Overlap(bucket), gradients):
        for step in range(2):
            assert_same_bits(got[step], tree_sum(list(gradients[step])))
        assert slots == {}


def sent(exchange, ranks):
    """Bytes that each rank sends in a step of a net of 8 blocks of parameters."""

    def rank(communicator):
        counting = CountingCommunicator(communicator)
        net = network(named(Dense(1024, Drawn(), bias=False)), (8,))
        job = Job(
            counting,
            net,
            SoftmaxCrossEntropy(),
            Sgd(lr=0.1),
            classes(16, 8),
            batch_size=16,
            exchange=exchange,
        )
        counting.reset()
        job.step(job.batches.whole(0), 0, 0)
        large = counting.bytes["begin"] + counting.bytes["exchange"]
        return large + (4 * 8 * 1024 // ranks * (ranks - 1) if exchange.__class__ is not Overlap else 0)

    return run_ranks(ranks, rank, share_memory=False)


@pytest.mark.parametrize("ranks", [2, 4, 8])
def test_as_many_bytes_travel_as_in_the_exact_exchange(ranks):
    """The exact exchange publishes values by an all-gather of its own, which is counted by hand."""
    assert sent(Overlap(), ranks) == sent(Exact(), ranks) == [2 * 4 * 8 * 1024 * (ranks - 1) // ranks] * ranks


def test_exact_is_the_plain_exchange():
    assert type(Exact()).__mro__[1] is Exchange
    assert Exact.exact
    assert Overlap.exact
    assert Overlap().overlap
