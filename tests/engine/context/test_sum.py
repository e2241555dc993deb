"""Totals over rows are the same to the bit on any number of ranks."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dtrain.communicator import CountingCommunicator
from dtrain.engine import shard_bounds
from tests.engine.context.support import FLOATS, MANY, ROWS, TOLERANCE, alone, data
from tests.support import assert_same_bits, in_context, rough


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", [(), (1,), (7,), (2, 3)], ids=str)
@pytest.mark.parametrize("rows", ROWS)
def test_a_sum_is_over_all_rows_and_has_the_same_bits_on_any_ranks(rows, shape, dtype):
    x = data(rows, *shape, dtype=dtype)
    (one,) = in_context(1, rows, lambda context, mine: context.sum(x[mine]))
    assert (one.dtype, one.shape) == (x.dtype, shape)
    wide = x.astype(np.clongdouble if x.dtype.kind == "c" else np.longdouble)
    np.testing.assert_allclose(one, wide.sum(axis=0), rtol=0, atol=rows * TOLERANCE[dtype])
    for ranks in MANY:
        for total in in_context(ranks, rows, lambda context, mine: context.sum(x[mine])):
            assert_same_bits(total, one)


@pytest.mark.parametrize("ranks", [1, 3, 5])
def test_a_bare_sum_on_a_rank_is_another_number_unless_it_holds_all_rows(ranks):
    x = data(61, 7)
    results = in_context(ranks, 61, lambda context, mine: (context.sum(x[mine]), x[mine].sum(axis=0)))
    for total, bare in results:
        np.testing.assert_allclose(total, x.sum(axis=0), rtol=1e-4)
        assert np.allclose(bare, total, rtol=1e-4) == (ranks == 1)


@pytest.mark.parametrize("ranks", [1, 3])
@pytest.mark.parametrize("rows", [0, 3, 61])
def test_several_arrays_go_in_one_exchange_and_come_back_with_their_shapes_and_dtypes(rows, ranks):
    arrays = data(rows, 4), data(rows, 2, 3, seed=1), np.arange(rows), data(rows, 5, dtype="float64")

    def body(context, mine):
        counting = context._totals._communicator = CountingCommunicator(context._totals._communicator)
        sums = context.sum(*(a[mine] for a in arrays))
        assert counting.calls["allgather"] == (ranks > 1)
        return sums

    for sums in in_context(ranks, rows, body):
        assert isinstance(sums, tuple)
        for total, array in zip(sums, arrays, strict=True):
            assert (total.dtype, total.shape) == (array.dtype, array.shape[1:])
            np.testing.assert_allclose(total, array.sum(axis=0), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("ranks", [1, 3, 5])
@pytest.mark.parametrize("rows", [2, 61])
@pytest.mark.parametrize("dtype", [*FLOATS, "int64"])
@pytest.mark.parametrize(
    ("shape", "axes"),
    [((4, 5, 2), (1, 2)), ((6, 2), (1,)), ((3, 4), (1, 2)), ((4, 5, 2), (2,)), ((3, 2, 2, 3), (1,))],
)
def test_a_sum_over_further_axes_leaves_the_others(shape, axes, dtype, rows, ranks):
    x = (10 * data(rows, *shape)).astype(dtype) if dtype == "int64" else data(rows, *shape, dtype=dtype)
    (one,) = in_context(1, rows, lambda context, mine: context.sum(x[mine], axes=axes))
    assert one.dtype == x.dtype
    np.testing.assert_allclose(one, x.astype(complex).sum(axis=(0, *axes)), rtol=1e-4, atol=1e-4)
    for total in in_context(ranks, rows, lambda context, mine: context.sum(x[mine], axes=axes)):
        assert_same_bits(total, one)


def test_a_sum_over_many_places_keeps_its_digits():
    x = data(4, 128, 128, 3) + np.float32(3)
    np.testing.assert_allclose(
        alone(4).sum(x, axes=(1, 2)), x.sum(axis=(0, 1, 2), dtype=np.float64), rtol=1e-6
    )


@pytest.mark.parametrize("ranks", [1, 3])
def test_whole_numbers_are_summed_exactly_beyond_what_float32_can_count(ranks):
    x = np.array([2**24 + 1, 1, 2**40, -5, 7], np.int64)
    for total in in_context(ranks, 5, lambda context, mine: context.sum(x[mine])):
        assert total.dtype == np.int64
        assert total == x.sum()


@pytest.mark.parametrize("ranks", [1, 3])
def test_totals_stay_when_the_next_one_comes(ranks):
    x, y = data(61, 4), data(61, 4, seed=1)

    def body(context, mine):
        first = context.sum(x[mine])
        kept = first.copy()
        context.sum(y[mine])
        context.max(y[mine])
        assert_same_bits(first, kept)

    in_context(ranks, 61, body)


def test_the_input_of_a_sum_is_left_as_it_was():
    x = data(61, 4)
    before = x.copy()
    in_context(3, 61, lambda c, mine: (c.sum(x[mine]), c.moments(x[mine]), c.max(x[mine])))
    assert_same_bits(x, before)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 40), st.integers(1, 12), st.integers(1, 6), st.integers(0, 99))
def test_any_rows_shards_and_ranks_give_the_bits_of_one_rank(rows, shards, ranks, seed):
    x = rough(rows, 3, seed=seed)
    ranks = min(ranks, shards)

    def body(context, mine):
        mean, variance = context.moments(x[mine])[1:]
        return np.concatenate([context.sum(x[mine]), context.max(x[mine]), mean, variance])

    (one,) = in_context(1, rows, body, shards=shards)
    for total in in_context(ranks, rows, body, shards=shards):
        assert_same_bits(total, one)


@pytest.mark.parametrize("rows", [0, 3, 61])
def test_shard_sums_are_those_of_each_local_shard(rows):
    columns = data(rows, 3, dtype="float64")
    expected = np.array([columns[a:b].sum(axis=0) for a, b in pairwise(shard_bounds(rows, 8))])

    def body(context, mine):
        out = np.full((len(context.layout.slices), 3), np.nan)
        context.shard_sums(columns[mine], out)
        return out

    for ranks in (1, 3, 5):
        np.testing.assert_allclose(np.concatenate(in_context(ranks, rows, body)), expected, atol=1e-13)


@pytest.mark.parametrize("rows", [0, 3, 61])
@pytest.mark.parametrize("ranks", [1, 3, 5])
def test_the_shards_of_all_ranks_are_those_of_one(ranks, rows):
    def body(context, mine):
        assert all(0 <= shard.start <= shard.stop <= mine.stop - mine.start for shard in context.shards)
        return [(mine.start + shard.start, mine.start + shard.stop) for shard in context.shards]

    found = [shard for shards in in_context(ranks, rows, body) for shard in shards]
    assert found == list(pairwise(shard_bounds(rows, 8)))
