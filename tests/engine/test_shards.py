"""Rows to shards, shards to ranks."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dtrain.engine.shards import Layout, rank_ranges, resolve_shards, shard_bounds
from dtrain.engine.tree import cover
from dtrain.errors import ConfigError


@pytest.mark.parametrize(
    ("ranks", "shards"),
    [(1, 8), (2, 8), (7, 8), (8, 8), (9, 16), (16, 16), (17, 32), (33, 64), (64, 64), (1000, 1024)],
)
def test_auto_is_the_smallest_power_of_two_from_eight_that_gives_every_rank_a_shard(ranks, shards):
    assert resolve_shards("auto", ranks) == shards


@pytest.mark.parametrize("ranks", [1, 3, 8])
def test_ranks_is_one_shard_a_rank(ranks):
    assert resolve_shards("ranks", ranks) == ranks


@pytest.mark.parametrize(("shards", "ranks"), [(1, 1), (5, 5), (100, 3)])
def test_a_number_of_shards_is_taken_as_it_is(shards, ranks):
    assert resolve_shards(shards, ranks) == shards


def test_fewer_shards_than_ranks_are_refused():
    with pytest.raises(ConfigError) as caught:
        resolve_shards(4, 5)
    assert str(caught.value) == (
        "[train] shards: expected at least one shard a rank, got 4 shards for 5 ranks; "
        "start at most 4 ranks, or raise shards (the result then changes within rounding)"
    )


@given(st.integers(0, 10_000), st.integers(1, 300))
def test_shards_differ_by_at_most_one_row_larger_ones_first(rows, shards):
    bounds = shard_bounds(rows, shards)
    sizes = [b - a for a, b in pairwise(bounds)]
    assert (bounds[0], bounds[-1], len(sizes)) == (0, rows, shards)
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] - sizes[-1] <= 1


@pytest.mark.parametrize(
    ("rows", "shards", "bounds"),
    [
        (100, 4, [0, 25, 50, 75, 100]),
        (10, 4, [0, 3, 6, 8, 10]),
        (2, 4, [0, 1, 2, 2, 2]),
        (0, 3, [0, 0, 0, 0]),
    ],
)
def test_bounds_of_known_cuts(rows, shards, bounds):
    assert shard_bounds(rows, shards) == bounds


@pytest.mark.parametrize("shards", [1, 2, 3, 5, 7, 8, 12, 16, 17, 31, 32, 33, 64, 100])
def test_every_rank_gets_a_contiguous_range_and_none_more_than_its_share(shards):
    for ranks in range(1, shards + 1):
        ranges = rank_ranges(shards, ranks)
        assert len(ranges) == ranks
        assert [shard for first, last in ranges for shard in range(first, last)] == list(range(shards))
        sizes = [last - first for first, last in ranges]
        assert min(sizes) >= 1
        assert max(sizes) == -(-shards // ranks)


@pytest.mark.parametrize("shards", [8, 16, 64])
@pytest.mark.parametrize("ranks", [1, 2, 4, 8])
def test_powers_of_two_get_one_subtree_a_rank(shards, ranks):
    size = shards // ranks
    assert rank_ranges(shards, ranks) == [(k * size, (k + 1) * size) for k in range(ranks)]


def test_bounds_snap_to_wide_subtrees():
    assert rank_ranges(8, 3) == [(0, 2), (2, 5), (5, 8)]
    assert rank_ranges(8, 5) == [(0, 2), (2, 4), (4, 6), (6, 7), (7, 8)]
    assert rank_ranges(64, 3) == [(0, 22), (22, 44), (44, 64)] or max(
        len(cover(a, b, 64)) for a, b in rank_ranges(64, 3)
    ) < max(len(cover(a, b, 64)) for a, b in [(0, 22), (22, 43), (43, 64)])


@pytest.mark.parametrize("rows", [0, 1, 3, 7, 8, 9, 64, 97])
@pytest.mark.parametrize("shards", [1, 3, 8])
def test_a_layout_cuts_the_rows_of_every_rank_into_its_shards(rows, shards):
    bounds = shard_bounds(rows, shards)
    for first in range(shards):
        for last in range(first + 1, shards + 1):
            layout = Layout(rows, shards, first, last)
            assert (layout.rows, layout.start, layout.stop) == (rows, bounds[first], bounds[last])
            assert layout.local == layout.stop - layout.start == sum(layout.sizes)
            absolute = [(layout.start + s.start, layout.start + s.stop) for s in layout.slices]
            assert absolute == list(zip(bounds[first:last], bounds[first + 1 : last + 1], strict=True))


@pytest.mark.parametrize("rows", [0, 1, 3, 7, 8, 9, 64, 97])
@pytest.mark.parametrize("shards", [1, 3, 8])
def test_groups_are_at_most_two_runs_of_equal_shards(rows, shards):
    for first in range(shards):
        for last in range(first + 1, shards + 1):
            layout = Layout(rows, shards, first, last)
            assert len(layout.groups) <= 2
            unrolled = [
                (number + i, slice(row + i * size, row + (i + 1) * size))
                for number, count, row, size in layout.groups
                for i in range(count)
            ]
            assert unrolled == list(enumerate(layout.slices))
