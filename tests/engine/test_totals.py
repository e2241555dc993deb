"""Totals have the bits of the tree, on any number of ranks."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dtrain.communicator import CountingCommunicator, run_ranks
from dtrain.engine.shards import rank_ranges
from dtrain.engine.totals import Totals, square_sums
from tests.support import RANKS, assert_other_bits, assert_same_bits, rough, tree_sum


def totals_on(ranges, leaves, values, name="add"):
    """Every rank's total of its rows of `values`."""

    def job(communicator):
        first, last = ranges[communicator.rank]
        totals = Totals(leaves, ranges, communicator)
        return getattr(totals, name)(values[first:last].copy()).copy()

    return run_ranks(len(ranges), job)


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "longdouble", "int64"])
@pytest.mark.parametrize("ranks", RANKS)
@pytest.mark.parametrize("leaves", [8, 13, 16])
def test_every_rank_gets_the_bits_of_the_tree(ranks, leaves, dtype):
    values = rough(leaves, 5, dtype=dtype)
    for total in totals_on(rank_ranges(leaves, ranks), leaves, values):
        assert_same_bits(total, tree_sum(values))


@pytest.mark.parametrize("shape", [(), (1,), (0,), (2, 3)], ids=str)
@pytest.mark.parametrize("ranks", [1, 3])
def test_a_row_may_have_any_shape(ranks, shape):
    values = rough(8, *shape)
    for total in totals_on(rank_ranges(8, ranks), 8, values):
        assert_same_bits(total, tree_sum(values))


UNEQUAL = [
    (8, [(0, 7), (7, 8)]),
    (8, [(0, 1), (1, 7), (7, 8)]),
    (9, [(0, 2), (2, 3), (3, 9)]),
    (8, [(0, 0), (0, 8)]),
    (8, [(0, 5), (5, 5), (5, 8), (8, 8)]),
    (4, [(0, 0), (0, 1), (1, 2), (2, 3), (3, 4)]),
    (4, [(0, 1), (1, 1), (1, 2), (2, 3), (3, 4)]),
    (8, [(4, 8), (0, 4)]),
    (6, [(2, 3), (3, 6), (0, 2)]),
    (1, [(0, 0), (0, 1), (1, 1)]),
]


@pytest.mark.parametrize(("leaves", "ranges"), UNEQUAL, ids=str)
def test_ranges_may_be_unequal_empty_and_in_any_order(leaves, ranges):
    values = rough(leaves, 50)
    for total in totals_on(ranges, leaves, values):
        assert_same_bits(total, tree_sum(values))


@pytest.mark.parametrize(("leaves", "ranges"), UNEQUAL, ids=str)
def test_the_maximum_is_that_of_the_leaves_alone(leaves, ranges):
    values = -1 - np.abs(rough(leaves, 5))  # a rank without leaves must not bring in a zero
    for total in totals_on(ranges, leaves, values, "max"):
        assert_same_bits(total, values.max(axis=0))


@settings(max_examples=60)
@given(st.integers(1, 40), st.lists(st.integers(0, 40), max_size=5), st.integers(0, 99))
def test_any_ranges_give_the_bits_of_the_tree(leaves, cuts, seed):
    bounds = [0, *sorted(min(cut, leaves) for cut in cuts), leaves]
    values = rough(leaves, 4, seed=seed)
    for total in totals_on(list(pairwise(bounds)), leaves, values):
        assert_same_bits(total, tree_sum(values))


@pytest.mark.parametrize("ranks", RANKS)
def test_a_nan_anywhere_is_the_maximum_everywhere(ranks):
    for leaf in range(8):
        values = rough(8, 2)
        values[leaf, 1] = np.nan
        for total in totals_on(rank_ranges(8, ranks), 8, values, "max"):
            assert_same_bits(total[0], values[:, 0].max())
            assert np.isnan(total[1])


@pytest.mark.parametrize("ranks", [2, 3, 5])
def test_sums_of_sums_of_ranks_have_other_bits_unless_ranks_hold_subtrees(ranks):
    values = rough(16, 50)
    bounds = [16 * k // ranks for k in range(ranks + 1)]
    parts = [np.add.reduce(values[a:b]) for a, b in pairwise(bounds)]
    assert_other_bits(np.add.reduce(parts), tree_sum(values))


def test_one_exchange_a_call():
    def job(communicator):
        counting = CountingCommunicator(communicator)
        totals = Totals(8, rank_ranges(8, 3), counting)
        first, last = rank_ranges(8, 3)[counting.rank]
        for _ in range(3):
            totals.add(np.ones((last - first, 4)))
        return dict(counting.calls), counting.bytes["allgather"]

    # (0,2), (2,5), (5,8): at most two subtrees a rank, 4 float64 each, to two others, three times
    assert run_ranks(3, job) == [({"allgather": 3}, 3 * 2 * 2 * 4 * 8)] * 3


@pytest.mark.parametrize("ranks", [1, 3])
def test_calls_of_several_shapes_and_dtypes_do_not_disturb_each_other(ranks):
    ranges = rank_ranges(8, ranks)
    arrays = [rough(8, 3), rough(8, 4), rough(8, 3, dtype="float64"), rough(8, 3, seed=7)]

    def job(communicator):
        first, last = ranges[communicator.rank]
        totals = Totals(8, ranges, communicator)
        return [totals.add(array[first:last].copy()).copy() for array in arrays]

    for sums in run_ranks(ranks, job):
        for total, array in zip(sums, arrays, strict=True):
            assert_same_bits(total, tree_sum(array))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_square_sums_are_those_of_each_block_in_float64(dtype):
    flat = rough(12, dtype=dtype)
    sums = square_sums(flat, 4)
    assert sums.dtype == np.float64
    np.testing.assert_allclose(sums, (flat.astype(float) ** 2).reshape(3, 4).sum(axis=1), rtol=1e-6)
    assert square_sums(flat[:0], 4).shape == (0,)


def test_square_sums_of_a_block_do_not_depend_on_the_blocks_beside_it():
    flat = rough(64 * 8)
    whole = square_sums(flat, 64)
    for block in range(8):
        assert_same_bits(
            square_sums(flat[block * 64 : (block + 1) * 64].copy(), 64), whole[block : block + 1]
        )
