"""The second set of the flat arrays: whole on the rank that writes, wherever the slices lie, and left alone."""

from __future__ import annotations

import pytest

from dtrain.communicator import run_ranks
from dtrain.trainer.staging import Staging
from dtrain_plugins.layers.dense import Dense
from dtrain_plugins.losses.softmax_cross_entropy import SoftmaxCrossEntropy
from dtrain_plugins.optimizers.adam import Adam
from tests.support import Drawn, Job, assert_same_bits, classes, named, network

RANKS = [(1, True), (2, True), (3, True), (2, False), (3, False)]


def staged(communicator):
    """What is aside after each of two times, a step later as well, and what there was to be put aside."""
    net = network(named(Dense(700, Drawn()), Dense(3, Drawn())), (6,))
    job = Job(communicator, net, SoftmaxCrossEntropy(), Adam(), classes(30), batch_size=10)
    staging, seen = Staging(job.replica, job.update), []
    for _ in range(2):
        job.train(1)
        staging.fill()
        communicator.barrier()
        present = {"value": job.replica.copy()[0], **job.slots()}
        job.train(1)
        seen.append(
            (present, {"value": staging.values.copy(), **{k: v.copy() for k, v in staging.slots.items()}})
        )
        communicator.barrier()
    return seen


@pytest.mark.parametrize(("ranks", "share_memory"), RANKS)
def test_all_of_it_is_on_the_rank_that_writes_and_stays_as_it_was(ranks, share_memory):
    for present, aside in run_ranks(ranks, staged, share_memory)[0]:
        assert {*aside} == {"value", "m", "v"}
        for name, array in present.items():
            assert_same_bits(aside[name], array)
            assert array.any()


@pytest.mark.parametrize("ranks", [2, 3])
def test_only_the_rank_that_writes_holds_it_where_memory_is_private(ranks):
    for seen in run_ranks(ranks, staged, share_memory=False)[1:]:
        assert not any(array.any() for _, aside in seen for array in aside.values())


def test_the_memory_is_used_again():
    def rank(communicator):
        net = network(named(Dense(3, Drawn())), (6,))
        job = Job(communicator, net, SoftmaxCrossEntropy(), Adam(), classes(30), batch_size=10)
        staging = Staging(job.replica, job.update)
        before = communicator.entered
        staging.fill()
        return communicator.entered - before

    assert run_ranks(2, rank) == [0, 0]  # no collective, so no allocation
    assert run_ranks(2, rank, share_memory=False) == [1, 1]  # the exchange
