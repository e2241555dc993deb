"""Gradients of all ranks meet with the bits of the tree, in shared memory and by messages."""

from __future__ import annotations

import numpy as np
import pytest

from dtrain.communicator import SerialCommunicator, run_ranks
from dtrain.engine.exchange import CHUNK, MessageExchange, SharedExchange, is_finite, make_exchange
from dtrain.engine.shards import rank_ranges, resolve_shards
from dtrain.engine.tree import cover
from dtrain.parameter import FlatLayout, Parameter
from tests.support import MEMORY, RANKS, Constant, assert_other_bits, assert_same_bits, rough, tree_sum

BLOCK = 16


def layout_of(blocks, block=BLOCK):
    return FlatLayout([Parameter("p", (blocks * block,), "weight", Constant(0), (1, 1))], block)


def fill(exchange, gradients, span, shards):
    """What a rank's backward pass leaves: the sums over the subtrees of its shards."""
    for node, out in zip(cover(*span, shards), exchange.nodes, strict=True):
        out[...] = tree_sum(gradients[slice(*node)])


def reduced(ranks, shards, gradients, share_memory, scale=1.0, times=1):
    """Every rank's (block range, slice of the total, finite)."""
    ranges = rank_ranges(shards, ranks)

    def job(communicator):
        layout = layout_of(gradients.shape[1] // BLOCK)
        exchange = make_exchange(layout, shards, ranges, communicator, gradients.dtype)
        for _ in range(times):
            fill(exchange, gradients, ranges[communicator.rank], shards)
            communicator.barrier()
            total, finite = exchange.reduce(scale)
            total = total.copy()
            communicator.barrier()
        return exchange.ranges[communicator.rank], total, finite

    return run_ranks(ranks, job, share_memory)


@MEMORY
@pytest.mark.parametrize(
    ("ranks", "shards"), [(r, s) for r in RANKS for s in (8, 16, 5, "ranks") if (r, s) != (8, 5)]
)
def test_each_rank_gets_the_tree_sum_of_its_slice(ranks, shards, share_memory):
    shards = resolve_shards(shards, ranks)
    gradients = rough(shards, 11 * BLOCK, seed=ranks)
    expected = tree_sum(gradients) * np.float32(1 / 97)
    seen = []
    for (first, last), total, finite in reduced(ranks, shards, gradients, share_memory, 1 / 97):
        assert_same_bits(total, expected[first * BLOCK : last * BLOCK])
        assert finite
        seen += range(first, last)
    assert sorted(seen) == list(range(11))


@MEMORY
@pytest.mark.parametrize("dtype", ["float64", "complex64", "complex128"])
@pytest.mark.parametrize("ranks", [1, 3])
def test_each_dtype_is_summed_as_it_is(ranks, dtype, share_memory):
    gradients = rough(8, 4 * BLOCK, dtype=dtype)
    for (first, last), total, _ in reduced(ranks, 8, gradients, share_memory):
        assert_same_bits(total, tree_sum(gradients)[first * BLOCK : last * BLOCK])


@MEMORY
@pytest.mark.parametrize("blocks", [1, 2, 4])
def test_there_may_be_fewer_blocks_than_ranks(blocks, share_memory):
    gradients = rough(8, blocks * BLOCK)
    seen = []
    for (first, last), total, finite in reduced(5, 8, gradients, share_memory):
        assert_same_bits(total, tree_sum(gradients)[first * BLOCK : last * BLOCK])
        assert finite
        seen += range(first, last)
    assert sorted(seen) == list(range(blocks))


@MEMORY
@pytest.mark.parametrize("ranks", [1, 3])
def test_a_second_step_is_not_touched_by_the_first(ranks, share_memory):
    gradients = rough(8, 4 * BLOCK)
    for (first, last), total, _ in reduced(ranks, 8, gradients, share_memory, 0.5, times=3):
        assert_same_bits(total, tree_sum(gradients)[first * BLOCK : last * BLOCK] * np.float32(0.5))


@pytest.mark.parametrize("ranks", [1, 2])
def test_arrays_longer_than_a_chunk_are_summed_to_their_end(ranks):
    gradients = rough(8, 2 * CHUNK + 3 * BLOCK)
    for (first, last), total, _ in reduced(ranks, 8, gradients, share_memory=True):
        assert_same_bits(total, tree_sum(gradients)[first * BLOCK : last * BLOCK])


def test_a_sum_in_the_order_of_ranks_has_other_bits():
    gradients = rough(8, 11 * BLOCK)
    parts = [np.add.reduce(gradients[a:b]) for a, b in rank_ranges(8, 3)]
    assert_other_bits(np.add.reduce(parts), tree_sum(gradients))


@MEMORY
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("ranks", [1, 2, 3, 5])
def test_a_value_that_is_not_finite_is_found_where_its_slice_is_whatever_shard_it_came_from(
    ranks, value, share_memory
):
    for shard in (0, 3, 7):
        gradients = rough(8, 11 * BLOCK)
        gradients[shard, 6 * BLOCK + 5] = value
        for (first, last), _, finite in reduced(ranks, 8, gradients, share_memory):
            assert finite == (not first <= 6 < last)


def test_an_overflow_of_the_sum_alone_is_found():
    gradients = np.full((8, BLOCK), 3e38, np.float32)
    with np.errstate(over="ignore"):
        ((_, _, finite),) = reduced(1, 8, gradients, share_memory=True)
    assert not finite


@MEMORY
@pytest.mark.parametrize("ranks", RANKS)
def test_published_slices_reach_every_rank(ranks, share_memory):
    whole = rough(11 * BLOCK)

    def job(communicator):
        exchange = make_exchange(layout_of(11), 8, rank_ranges(8, ranks), communicator, np.float32)
        for turn in range(3):
            first, last = exchange.ranges[communicator.rank]
            own = slice(first * BLOCK, last * BLOCK)
            exchange.values[own] = whole[own] + np.float32(turn)
            exchange.publish()
            assert_same_bits(exchange.values, whole + np.float32(turn))
            communicator.barrier()

    run_ranks(ranks, job, share_memory)


@pytest.mark.parametrize(("share_memory", "kind"), [(True, SharedExchange), (False, MessageExchange)])
def test_the_exchange_is_chosen_by_what_ranks_can_address(share_memory, kind):
    def job(communicator):
        return type(make_exchange(layout_of(2), 8, rank_ranges(8, 2), communicator, np.float32))

    assert run_ranks(2, job, share_memory) == [kind, kind]
    alone = make_exchange(layout_of(2), 8, [(0, 8)], SerialCommunicator(), np.float32)
    assert isinstance(alone, SharedExchange)


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64"])
def test_large_numbers_whose_squares_overflow_are_finite(dtype):
    top = np.finfo(dtype).max
    assert is_finite(np.array([top, 1, -top], dtype))
    assert is_finite(np.array([], dtype))
    for bad in (np.nan, np.inf, -np.inf):
        assert not is_finite(np.array([top, bad, 1], dtype))
        assert not is_finite(np.array([0, 1, bad], dtype))
    assert not is_finite(np.array([np.inf, -np.inf], dtype))
