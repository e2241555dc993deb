"""The tree gives the sum of its definition, wherever its parts are formed."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dtrain.engine.tree import children, cover, fold_nodes, fold_range
from tests.support import assert_other_bits, assert_same_bits, rough, tree_nodes, tree_sum

LEAVES = range(1, 34)


def ranges_of(leaves):
    return [(first, last) for first in range(leaves + 1) for last in range(first, leaves + 1)]


@st.composite
def cut_leaves(draw):
    """A number of leaves, cut into consecutive ranges, some of them maybe empty."""
    leaves = draw(st.integers(1, 70))
    inner = draw(st.lists(st.integers(0, leaves), max_size=12))
    bounds = [0, *sorted(inner), leaves]
    return leaves, list(pairwise(bounds))


@pytest.mark.parametrize("leaves", LEAVES)
def test_children_make_up_every_node_of_the_definition(leaves):
    nodes = tree_nodes(leaves)
    for node in nodes:
        if node[1] - node[0] > 1:
            left, right = children(node)
            assert (left[0], right[1]) == node
            assert left[1] == right[0]
            assert {left, right} <= nodes


@pytest.mark.parametrize("leaves", LEAVES)
def test_a_cover_is_the_fewest_nodes_that_make_up_its_range(leaves):
    nodes = tree_nodes(leaves)
    fewest = {(leaf, leaf): 0 for leaf in range(leaves + 1)}
    for length in range(1, leaves + 1):
        for first in range(leaves + 1 - length):
            last = first + length
            middles = [m for m in range(first + 1, last + 1) if (first, m) in nodes]
            fewest[first, last] = 1 + min(fewest[m, last] for m in middles)
    for first, last in ranges_of(leaves):
        found = cover(first, last, leaves)
        assert set(found) <= nodes
        assert [leaf for a, b in found for leaf in range(a, b)] == list(range(first, last))
        assert len(found) == fewest[first, last]


def test_covers_of_known_ranges():
    assert cover(0, 8, 8) == [(0, 8)]
    assert cover(0, 5, 5) == [(0, 5)]
    assert cover(2, 5, 5) == [(2, 4), (4, 5)]
    assert cover(1, 8, 8) == [(1, 2), (2, 4), (4, 8)]
    assert cover(3, 3, 8) == []


@pytest.mark.parametrize("leaves", LEAVES)
def test_folding_a_range_gives_the_bits_of_every_node_of_its_cover(leaves):
    values = rough(leaves, 2, seed=leaves)
    for first, last in ranges_of(leaves):
        rows = values[first:last].copy()
        for a, b in fold_range(first, last, leaves):
            rows[a] += rows[b]
        for node in cover(first, last, leaves):
            assert_same_bits(rows[node[0] - first], tree_sum(values[slice(*node)]))


@pytest.mark.parametrize("leaves", LEAVES)
def test_the_additions_of_one_step_are_independent(leaves):
    for first, last in ranges_of(leaves):
        for a, b in fold_range(first, last, leaves):
            left, right = range(last - first)[a], range(last - first)[b]
            assert len(left) == len(right) > 0
            assert not set(left) & set(right)


@given(cut_leaves(), st.integers(0, 2**32 - 1))
def test_any_cut_into_ranges_gives_the_bits_of_the_whole(cut, seed):
    leaves, ranges = cut
    values = rough(leaves, 3, seed=seed)
    place, rows = {}, []
    for first, last in ranges:
        part = values[first:last].copy()
        for a, b in fold_range(first, last, leaves):
            part[a] += part[b]
        for node in cover(first, last, leaves):
            place[node] = len(rows)
            rows.append(part[node[0] - first])
    additions, root = fold_nodes(place, leaves)
    assert len(additions) == len(rows) - 1
    for a, b in additions:
        rows[a] = rows[a] + rows[b]
    assert_same_bits(rows[root], tree_sum(values))


def test_the_data_of_these_tests_tell_one_order_of_additions_from_another():
    values = rough(33, 3)
    assert_other_bits(np.add.accumulate(values)[-1], tree_sum(values))
    assert_other_bits(tree_sum([*values[1:], values[0]]), tree_sum(values))
    halves = [tree_sum(values[:17]), tree_sum(values[17:])]  # cut where no node ends
    assert_other_bits(halves[0] + halves[1], tree_sum(values))
