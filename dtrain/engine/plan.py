"""How slices of gradients travel between ranks that share no memory: a plan, made from numbers alone.

For each node of the shard tree that spans several ranks, those ranks hold its sum cut into slices, one a
rank. A node's slices are made from its two children's: the two lists interleave, so that every rank keeps
a part of what it has. With aligned ranges this is recursive halving, nearest partners first; any other
number of ranks works in the same way. A rank meets a few partners a level: O(log N) messages, not N.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .tree import Node, children

Slice = tuple[int, int, int]
"""(rank, first block, last block): this rank holds the node's sum over these blocks."""


@dataclass
class Join:
    """One rank's part in forming one node: it adds the left child's blocks and the right child's.

    own: the blocks that it keeps. left, right: where they come from: slices of the child.
    give_left, give_right: (peer, first, last), what it sends of its own slice of each child.
    """

    node: Node
    own: tuple[int, int] | None = None
    left: list[Slice] = field(default_factory=list)
    right: list[Slice] = field(default_factory=list)
    give_left: list[Slice] = field(default_factory=list)
    give_right: list[Slice] = field(default_factory=list)


@dataclass(frozen=True)
class Plan:
    """rounds: for each level, the joins in which `rank` takes part, maybe none. ranges: each rank's final blocks."""

    rounds: list[list[Join]]
    ranges: list[tuple[int, int]]


def make_plan(shards: int, ranges: list[tuple[int, int]], blocks: int, rank: int) -> Plan:
    """Returns what `rank` has to do. ranges: the shards of each rank. blocks: what the flat array is cut into."""
    owner = [r for r, (a, b) in enumerate(ranges) for _ in range(a, b)]
    levels: dict[int, list[Join]] = {}

    def visit(node: Node) -> tuple[list[Slice], int]:
        first, last = owner[node[0]], owner[node[1] - 1]
        if first == last:
            return [(first, 0, blocks)], 0
        left, right = children(node)
        (a, level_a), (b, level_b) = visit(left), visit(right)
        level = 1 + max(level_a, level_b)
        merged = _merge(a, b, blocks)
        join = _part_of(rank, node, a, b, merged)
        if join is not None:
            levels.setdefault(level, []).append(join)
        return merged, level

    final, height = visit((0, shards))
    spans = {r: (a, b) for r, a, b in final}
    return Plan(
        [levels.get(level, []) for level in range(1, height + 1)], [spans[r] for r in range(len(ranges))]
    )


def _merge(left: list[Slice], right: list[Slice], blocks: int) -> list[Slice]:
    """Returns equal slices for the ranks of both lists, in the order of the middles of what they hold."""
    middles: dict[int, list[int]] = {}
    for r, a, b in left + right:
        middles.setdefault(r, []).append(a + b)
    order = sorted(middles, key=lambda r: (sum(middles[r]) / len(middles[r]), r))
    cuts = [blocks * i // len(order) for i in range(len(order) + 1)]
    return [(r, cuts[i], cuts[i + 1]) for i, r in enumerate(order)]


def _part_of(
    rank: int, node: Node, left: list[Slice], right: list[Slice], merged: list[Slice]
) -> Join | None:
    join = Join(node)
    for r, a, b in merged:
        if r == rank:
            join.own = (a, b)
            join.left, join.right = _overlaps(left, a, b), _overlaps(right, a, b)
    for child, give in ((left, join.give_left), (right, join.give_right)):
        for r, a, b in child:
            if r == rank:
                give += [s for s in _overlaps(merged, a, b) if s[0] != rank]
    return None if join.own is None else join


def _overlaps(slices: list[Slice], first: int, last: int) -> list[Slice]:
    return [(r, max(a, first), min(b, last)) for r, a, b in slices if a < last and first < b]
