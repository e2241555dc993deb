"""Gradients of shards are added in tree order, whatever shards a rank holds."""

from __future__ import annotations

import re

import numpy as np
import pytest

from dtrain.engine.gradients import Gradients
from dtrain.engine.shards import Layout
from dtrain.engine.tree import cover
from dtrain.parameter import FlatLayout, Parameter
from tests.support import Constant, assert_other_bits, assert_same_bits, rough, tree_sum


def parameter(name="w", shape=(3, 2), uses=1, trainable=True):
    made = Parameter(name, shape, "weight", Constant(0), (1, 1), trainable)
    made.uses = uses
    return made


class Rank:
    """The gradients of the shards first … last−1, of one row each unless told."""

    def __init__(self, parameters, shards, first, last, rows=None, dtype=np.float32):
        self.layout = FlatLayout(parameters, 16)
        self.cover = cover(first, last, shards)
        self.nodes = [np.full(self.layout.size, 99, dtype) for _ in self.cover]
        self.gradients = Gradients(self.layout, self.nodes, first, last, shards)
        self.rows = Layout(shards if rows is None else rows, shards, first, last)

    def step(self, *calls):
        """calls: (parameter, values of every global row)."""
        self.gradients.begin(self.rows.slices)
        for p, values in calls:
            mine = values[self.rows.start : self.rows.stop]
            self.gradients.add(p, lambda rows, out, x=mine: np.copyto(out, tree_or_zero(x[rows])))
        self.gradients.end()

    def totals(self, p):
        return {
            node: self.layout.view(flat, p).copy() for node, flat in zip(self.cover, self.nodes, strict=True)
        }


def tree_or_zero(x):
    return tree_sum(x) if len(x) else np.zeros(x.shape[1:], x.dtype)


def cuts(shards):
    return [(first, last) for first in range(shards) for last in range(first + 1, shards + 1)]


@pytest.mark.parametrize("shards", [1, 2, 3, 5, 7, 8, 11, 16])
@pytest.mark.parametrize("shape", [(3, 2), ()], ids=str)
def test_every_node_holds_the_bits_of_its_subtree(shards, shape):
    values = rough(shards, *shape, seed=shards)
    for first, last in cuts(shards):
        p = parameter(shape=shape)
        rank = Rank([p], shards, first, last)
        rank.step((p, values))
        for node, total in rank.totals(p).items():
            assert_same_bits(total, np.asarray(tree_sum(values[slice(*node)])))


@pytest.mark.parametrize("uses", [2, 3])
def test_several_uses_are_added_up_shard_by_shard_first(uses):
    values = [rough(8, 3, 2, seed=use) for use in range(uses)]
    leaves = values[0]
    for more in values[1:]:
        leaves = leaves + more
    for first, last in cuts(8):
        p = parameter(uses=uses)
        rank = Rank([p], 8, first, last)
        for _ in range(2):  # the second step starts afresh
            rank.step(*[(p, v) for v in values])
            for node, total in rank.totals(p).items():
                assert_same_bits(total, tree_sum(leaves[slice(*node)]))
    assert_other_bits(tree_sum(values[0]) + tree_sum(values[1]), tree_sum(values[0] + values[1]))


def test_empty_shards_add_nothing():
    values = rough(5, 3, 2)
    p = parameter()
    rank = Rank([p], 8, 3, 8, rows=5)  # shards 3 and 4 hold a row each, 5 to 7 none
    rank.step((p, values))
    np.testing.assert_array_equal(rank.totals(p)[3, 4], values[3])
    np.testing.assert_array_equal(rank.totals(p)[4, 8], values[4])


def test_of_is_called_once_for_each_local_shard_with_its_rows():
    seen = []
    p = parameter()
    rank = Rank([p], 8, 2, 5, rows=20)
    rank.gradients.begin(rank.rows.slices)
    rank.gradients.add(p, lambda rows, out: (seen.append((rows.start, rows.stop)), out.fill(0)))
    assert seen == [(0, 3), (3, 6), (6, 8)]


@pytest.mark.parametrize(("first", "last"), [(0, 1), (0, 8), (3, 8)])
def test_a_parameter_without_a_gradient_in_a_step_gets_zeros(first, last):
    p, q, r = parameter("p"), parameter("q", (5,)), parameter("r", (2,), uses=2)
    rank = Rank([p, q, r], 8, first, last)
    ones = [(p, np.ones((8, 3, 2))), (q, np.ones((8, 5))), (r, np.ones((8, 2))), (r, np.ones((8, 2)))]
    rank.step(*ones)
    for node, total in rank.totals(r).items():
        np.testing.assert_array_equal(total, np.full(2, 2 * (node[1] - node[0])))
    rank.step(ones[0])
    for node in rank.cover:
        np.testing.assert_array_equal(rank.totals(p)[node], np.full((3, 2), node[1] - node[0]))
        np.testing.assert_array_equal(rank.totals(q)[node], np.zeros(5))
        np.testing.assert_array_equal(rank.totals(r)[node], np.zeros(2))


@pytest.mark.parametrize("without", [parameter("q", (5,), uses=0), parameter("q", (5,), trainable=False)])
def test_a_parameter_that_never_gets_a_gradient_has_zeros_in_every_step(without):
    p = parameter("p")
    rank = Rank([p, without], 8, 0, 8)
    for _ in range(2):
        rank.step((p, np.ones((8, 3, 2))))
        np.testing.assert_array_equal(rank.totals(without)[0, 8], np.zeros(5))
        for flat in rank.nodes:
            flat.fill(7)  # as regularizers and optimizers leave it


def test_a_frozen_parameter_is_not_asked_for_its_gradient():
    frozen = parameter(trainable=False)
    rank = Rank([frozen], 8, 0, 8)
    rank.gradients.begin(rank.rows.slices)
    rank.gradients.add(frozen, lambda rows, out: pytest.fail("asked"))
    rank.gradients.end()


def test_a_second_gradient_of_a_parameter_that_had_one_is_refused():
    p = parameter("dense_1.weight")
    rank = Rank([p], 8, 0, 8)
    message = (
        "parameter 'dense_1.weight' got two gradients in one step, where the trial pass on an "
        "empty batch saw one; a layer must call context.gradient equally often for any batch"
    )
    with pytest.raises(RuntimeError, match=f"^{re.escape(message)}$"):
        rank.step((p, np.ones((8, 3, 2))), (p, np.ones((8, 3, 2))))
    rank.step((p, np.ones((8, 3, 2))))  # the next step is as good as any


def test_one_shard_is_written_straight_into_the_flat_array():
    p = parameter()
    rank = Rank([p], 8, 5, 6)
    rank.gradients.begin(rank.rows.slices)
    outs = []
    rank.gradients.add(p, lambda rows, out: (outs.append(out), out.fill(1)))
    assert np.shares_memory(outs[0], rank.nodes[0])
    assert np.shares_memory(p.grad, rank.nodes[0])
    np.testing.assert_array_equal(p.grad, np.ones((3, 2)))


@pytest.mark.parametrize("dtype", ["float64", "complex64"])
def test_gradients_have_the_dtype_of_the_flat_arrays(dtype):
    values = rough(8, 3, 2, dtype=dtype)
    p = parameter(uses=2)
    rank = Rank([p], 8, 1, 8, dtype=dtype)
    rank.step((p, values), (p, values))
    for node, total in rank.totals(p).items():
        assert_same_bits(total, tree_sum((values + values)[slice(*node)]))


# ---------------------------------------------------------------------- gradients that are totals already


def with_total(rank, p, total, *more):
    rank.gradients.begin(rank.rows.slices)
    rank.gradients.add_total(p, total)
    for values in more:
        mine = values[rank.rows.start : rank.rows.stop]
        rank.gradients.add(p, lambda rows, out, x=mine: np.copyto(out, tree_or_zero(x[rows])))
    rank.gradients.end()


@pytest.mark.parametrize("cut", [[(0, 8)], [(0, 1), (1, 8)], [(0, 3), (3, 4), (4, 8)]], ids=str)
def test_a_total_counts_once_over_all_ranks(cut):
    total = rough(3, 2)
    total[0, 0] = -0.0
    for first, last in cut:
        p = parameter()
        rank = Rank([p], 8, first, last)
        for _ in range(2):
            with_total(rank, p, total)
            for node, found in rank.totals(p).items():
                assert_same_bits(found, total + np.float32(0) if node[0] == 0 else np.zeros_like(total))


@pytest.mark.parametrize("cut", [[(0, 8)], [(0, 1), (1, 8)], [(0, 3), (3, 4), (4, 8)]], ids=str)
def test_a_total_of_a_parameter_of_several_uses_counts_as_the_first_shards(cut):
    total, values = rough(3, 2), rough(8, 3, 2, seed=1)
    leaves = values.copy()
    leaves[0] = total + values[0]
    for first, last in cut:
        p = parameter(uses=2)
        rank = Rank([p], 8, first, last)
        with_total(rank, p, total, values)
        for node, found in rank.totals(p).items():
            assert_same_bits(found, tree_sum(leaves[slice(*node)]))


def test_a_total_of_a_frozen_parameter_is_dropped():
    p = parameter(trainable=False)
    rank = Rank([p], 8, 0, 8)
    with_total(rank, p, np.ones((3, 2), np.float32))
    assert not rank.totals(p)[0, 8].any()


def test_a_total_beside_another_gradient_is_refused():
    p = parameter("w")
    rank = Rank([p], 8, 0, 8)
    with pytest.raises(RuntimeError, match=r"^parameter 'w' got two gradients in one step"):
        with_total(rank, p, np.ones((3, 2), np.float32), np.ones((8, 3, 2), np.float32))


def test_a_missing_gradient_is_zeroed_though_another_parameter_was_used_once_too_often():
    tied, lone = parameter("tied", uses=2), parameter("lone")
    rank = Rank([tied, lone], 4, 0, 4)
    values = rough(4, 3, 2)
    rank.step((tied, values), (tied, values), (lone, values))
    rank.step((tied, values), (tied, values), (tied, values))
    assert not rank.totals(lone)[0, 4].any()
