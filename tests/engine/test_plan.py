"""Every rank's plan, played out: messages match, and each rank ends with all shards of its slice."""

from __future__ import annotations

from functools import cache
from math import log2

import numpy as np
import pytest

from dtrain.communicator import CountingCommunicator, run_ranks
from dtrain.communicator.memory import private
from dtrain.engine.exchange import MessageExchange
from dtrain.engine.plan import make_plan
from dtrain.engine.shards import rank_ranges, resolve_shards
from dtrain.engine.tree import children, cover
from dtrain.parameter import FlatLayout, Parameter
from tests.support import Constant, assert_same_bits, rough, tree_sum

GRID = [
    (ranks, shards)
    for ranks in (*range(1, 18), 24, 31, 32, 33, 48, 63, 64)
    for shards in sorted({ranks, ranks + 1, resolve_shards("auto", ranks)})
]


@cache
def plans(ranks, shards, blocks):
    ranges = rank_ranges(shards, ranks)
    return [make_plan(shards, ranges, blocks, rank) for rank in range(ranks)]


def sent(plan):
    """(peer, blocks) of every message that a rank sends."""
    return [
        (peer, b - a)
        for joins in plan.rounds
        for join in joins
        for peer, a, b in join.give_left + join.give_right
    ]


def in_rounds(plan, number, side, me):
    """What one rank lists in a round, in order: (peer, child, first block, last block)."""
    listed = []
    for join in plan.rounds[number]:
        left, right = children(join.node)
        pair = (join.give_left, join.give_right) if side == "give" else (join.left, join.right)
        for child, slices in zip((left, right), pair, strict=True):
            listed += [(peer, child, a, b) for peer, a, b in slices if peer != me]
    return listed


@pytest.mark.parametrize(("ranks", "shards"), GRID)
def test_every_message_is_received_as_it_was_sent(ranks, shards):
    every = plans(ranks, shards, 70)
    assert len({len(plan.rounds) for plan in every}) == 1
    for number in range(len(every[0].rounds)):
        gives = [in_rounds(plan, number, "give", me) for me, plan in enumerate(every)]
        takes = [in_rounds(plan, number, "take", me) for me, plan in enumerate(every)]
        for source in range(ranks):
            for target in {m[0] for m in gives[source]} | {m[0] for m in takes[source]}:
                going = [m[1:] for m in gives[source] if m[0] == target]
                coming = [m[1:] for m in takes[target] if m[0] == source]
                assert going == coming


@pytest.mark.parametrize(("ranks", "shards"), GRID)
@pytest.mark.parametrize("blocks", [1, 70])
def test_every_block_ends_as_the_tree_sum_over_all_shards(ranks, shards, blocks):
    every, ranges = plans(ranks, shards, blocks), rank_ranges(shards, ranks)
    values = rough(shards, blocks, seed=ranks)
    held = [{node: (0, tree_sum(values[slice(*node)])) for node in cover(*span, shards)} for span in ranges]
    for number in range(len(every[0].rounds)):
        fresh = []
        for me, plan in enumerate(every):
            for join in plan.rounds[number]:
                first, last = join.own
                parts = []
                for child, slices in zip(children(join.node), (join.left, join.right), strict=True):
                    part = np.full(last - first, np.nan, np.float32)
                    for peer, a, b in slices:
                        start, whole = held[peer][child]
                        assert start <= a <= b <= start + len(whole)
                        part[a - first : b - first] = whole[a - start : b - start]
                    parts.append(part)
                fresh.append((me, join.node, (first, parts[0] + parts[1])))
        for me, node, piece in fresh:
            held[me][node] = piece
    spans = every[0].ranges
    assert all(plan.ranges == spans for plan in every)
    assert sorted(block for a, b in spans for block in range(a, b)) == list(range(blocks))
    for me, (first, last) in enumerate(spans):
        start, whole = held[me][0, shards]
        assert_same_bits(whole[first - start : last - start], tree_sum(values)[first:last])


@pytest.mark.parametrize(("ranks", "shards"), GRID)
def test_no_rank_updates_more_than_its_share(ranks, shards):
    sizes = [b - a for a, b in plans(ranks, shards, 70)[0].ranges]
    assert max(sizes) <= -(-70 // ranks)


def test_two_ranks_swap_halves_and_four_ranks_halve_again():
    (first, second) = plans(2, 8, 16)
    assert (sent(first), sent(second)) == ([(1, 8)], [(0, 8)])
    assert [sent(plan) for plan in plans(4, 8, 16)] == [
        [(1, 8), (2, 4)],
        [(0, 8), (3, 4)],
        [(3, 8), (0, 4)],
        [(2, 8), (1, 4)],
    ]


# ---------------------------------------------------------------------- at a thousand ranks

BLOCKS = 4096
SOME = [0, 1, 2, 3, 100, 341, 511, 512, 682, 777, 998, 999]


class Virtual:
    """One of many ranks, whose peers are not there: messages go nowhere."""

    shares_memory = False
    recovers = False

    def __init__(self, rank, size):
        self.rank, self.size = rank, size

    def allocate(self, count, dtype):
        own = private(count, dtype)
        return [own if rank == self.rank else None for rank in range(self.size)]

    def exchange(self, sends, receives):
        pass


def layout_of(blocks, block=1):
    return FlatLayout([Parameter("p", (blocks * block,), "weight", Constant(0), (1, 1))], block)


def counted(rank, ranks, shards):
    counting = CountingCommunicator(Virtual(rank, ranks))
    exchange = MessageExchange(layout_of(BLOCKS), shards, rank_ranges(shards, ranks), counting, np.float32)
    exchange.reduce(1.0)
    return counting


@pytest.mark.parametrize("rank", [0, 1, 341, 512, 1023])
def test_at_1024_ranks_each_meets_ten_partners_and_sends_less_than_its_gradient_once(rank):
    plan = make_plan(1024, rank_ranges(1024, 1024), BLOCKS, rank)
    partners = [peer for peer, _ in sent(plan)]
    assert len(partners) == len(set(partners)) == 10 == log2(1024)
    assert sum(size for _, size in sent(plan)) == BLOCKS - BLOCKS // 1024
    counting = counted(rank, 1024, 1024)
    assert counting.calls["exchange"] == 10
    assert counting.messages["exchange"] == 10
    assert counting.bytes["exchange"] == 4 * (BLOCKS - BLOCKS // 1024)


@pytest.mark.parametrize(("ranks", "shards"), [(1000, 1024), (1000, 1000), (513, 1024), (768, 1024)])
def test_at_about_1000_ranks_each_meets_at_most_15_and_sends_less_than_its_gradient_once(ranks, shards):
    ranges = rank_ranges(shards, ranks)
    messages, partners, blocks = [], [], []
    for rank in [rank for rank in SOME if rank < ranks]:
        messages_sent = sent(make_plan(shards, ranges, BLOCKS, rank))
        messages.append(len(messages_sent))
        partners.append(len({peer for peer, _ in messages_sent}))
        blocks.append(sum(size for _, size in messages_sent))
        counting = counted(rank, ranks, shards)
        assert counting.messages["exchange"] == messages[-1]
        assert counting.bytes["exchange"] == 4 * blocks[-1]
    assert messages == partners
    assert max(partners) <= 1.5 * log2(1024)
    assert max(blocks) < BLOCKS


@pytest.mark.parametrize("ranks", [2, 3, 5, 8, 16])
def test_real_ranks_send_what_their_plans_say(ranks):
    shards = resolve_shards("auto", ranks)
    ranges = rank_ranges(shards, ranks)

    def job(communicator):
        counting = CountingCommunicator(communicator)
        exchange = MessageExchange(layout_of(32, 16), shards, ranges, counting, np.float64)
        counting.reset()
        exchange.reduce(1.0)
        return counting.calls["exchange"], counting.messages["exchange"], counting.bytes["exchange"]

    expected = [
        (len(plan.rounds), len(sent(plan)), 16 * 8 * sum(size for _, size in sent(plan)))
        for plan in (make_plan(shards, ranges, 32, rank) for rank in range(ranks))
    ]
    assert run_ranks(ranks, job) == expected
