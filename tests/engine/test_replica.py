"""Every rank's copy of a network is one network."""

from __future__ import annotations

import numpy as np
import pytest

from dtrain.communicator import run_ranks
from dtrain.contracts import Initializer
from dtrain.engine import Replica, rank_ranges
from dtrain.engine.replica import BLOCK
from dtrain.random import Stream
from dtrain_plugins.layers.batch_norm import BatchNorm
from dtrain_plugins.layers.dense import Dense
from tests.support import MEMORY, RANKS, assert_same_bits, named, network, refused


def replica_of(communicator, dtype="float32", seed=0, shards=8, units=150, start=True):
    net = network(named(Dense(units), BatchNorm(), Dense(40)), (20,), dtype)
    replica = Replica(net, communicator, shards, seed)
    if start:
        replica.initialize()
    return replica


@pytest.fixture(scope="module")
def reference():
    return run_ranks(1, lambda communicator: replica_of(communicator).digest())[0]


@MEMORY
@pytest.mark.parametrize("ranks", RANKS)
def test_the_initial_network_is_one_on_any_ranks(ranks, share_memory, reference):
    assert run_ranks(ranks, lambda c: replica_of(c).digest(), share_memory) == [reference] * ranks


def test_the_initial_network_follows_the_seed_and_the_names_of_parameters(reference):
    assert run_ranks(1, lambda c: replica_of(c, seed=1).digest()) != [reference]

    def values(communicator):
        replica = replica_of(communicator, dtype="float64")
        p = replica.network.parameters[0]
        assert_same_bits(p.value, Stream(0, "init", p.name).normal(p.shape, 0.0, 0.5))

    run_ranks(2, values)


@MEMORY
@pytest.mark.parametrize("ranks", RANKS)
def test_ranks_cut_shards_and_the_flat_array_between_them(ranks, share_memory):
    def job(communicator):
        replica = replica_of(communicator)
        assert replica.ranges == rank_ranges(8, ranks)
        assert (replica.first, replica.last) == replica.ranges[communicator.rank]
        assert replica.layout.size % BLOCK == 0
        assert replica.warnings == []
        return range(replica.layout.size)[replica.own]

    slices = run_ranks(ranks, job, share_memory)
    assert sorted(i for part in slices for i in part) == list(range(10 * BLOCK))


@MEMORY
@pytest.mark.parametrize("ranks", [1, 2, 3, 5])
def test_a_flat_array_is_gathered_from_every_ranks_slice(ranks, share_memory):
    def job(communicator):
        replica = replica_of(communicator)
        whole = np.arange(replica.layout.size, dtype=np.float64)
        assert_same_bits(replica.gather(whole[replica.own].copy()), whole)

    run_ranks(ranks, job, share_memory)


@MEMORY
@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_what_was_copied_is_restored_on_every_rank(ranks, share_memory):
    def job(communicator):
        replica = replica_of(communicator)
        mean = replica.network.states[0]
        mean.value = np.full_like(mean.value, 5)
        before = replica.digest()
        copy = replica.copy()
        communicator.barrier()
        replica.exchange.values[replica.own] = 3
        replica.exchange.publish()
        mean.value = np.full_like(mean.value, 7)
        changed = replica.digest()
        replica.restore(copy)
        assert replica.digest() == before != changed
        assert copy[1][0].tolist() == mean.value.tolist() == [5] * 150
        return before

    assert len(set(run_ranks(ranks, job, share_memory))) == 1


def test_a_copy_does_not_change_with_the_replica():
    def job(communicator):
        replica = replica_of(communicator)
        values, states = replica.copy()
        kept = values.copy()
        replica.exchange.values += 1
        replica.network.states[0].value += 1
        assert_same_bits(values, kept)
        assert states[0].tolist() == [0] * 150

    run_ranks(1, job)


@MEMORY
def test_one_rank_fills_shared_values_and_every_rank_its_own(share_memory):
    written = run_ranks(3, lambda c: replica_of(c, start=False).writes_values(), share_memory)
    assert written == ([True, False, False] if share_memory else [True] * 3)


@pytest.mark.parametrize("shape", [(150, 20), (20,), ()], ids=str)
def test_an_initializer_of_another_shape_is_refused(shape):
    class Transposed(Initializer):
        def __call__(self, given, fans, random):
            return np.zeros(shape)

    def job(communicator):
        net = network(named(Dense(150, initializer=Transposed())), (20,))
        Replica(net, communicator, 8, seed=0).initialize()

    message = f"initializer Transposed of parameter 'layer_1.weight' must return shape (20, 150), got {shape}"
    with refused(TypeError, message, "on rank 0 of 2"):
        run_ranks(2, job)


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128"])
def test_values_and_gradients_have_the_networks_dtype(dtype):
    def job(communicator):
        replica = replica_of(communicator, dtype=dtype)
        assert {p.value.dtype for p in replica.network.parameters} == {np.dtype(dtype)}
        assert {p.grad.dtype for p in replica.network.parameters} == {np.dtype(dtype)}
        for p in replica.network.parameters:
            assert np.shares_memory(p.value, replica.exchange.values)

    run_ranks(2, job)


def test_the_digest_sees_parameters_and_running_statistics():
    def job(communicator):
        replica = replica_of(communicator)
        seen = {replica.digest()}
        for p in replica.network.parameters:
            p.value.reshape(-1)[-1] += 1
            seen.add(replica.digest())
        for state in replica.network.states:
            state.value[0] += 1
            seen.add(replica.digest())
        assert len(seen) == 1 + len(replica.network.parameters) + len(replica.network.states)

    run_ranks(1, job)
