"""The one binary tree in which everything is added: over shards, and over blocks of parameters.

Leaves 0 … n−1 pair up (0,1), (2,3), …, then the pairs, and so on; an odd one out passes up unchanged. A node
is named by its leaves, `(first, last)`. Sums of aligned runs can be formed anywhere and joined anywhere
else without changing a bit, because floating-point addition commutes.
"""

from __future__ import annotations

from collections.abc import Mapping

Node = tuple[int, int]
"""Leaves first … last−1."""

Step = tuple[slice, slice]
"""rows[a] += rows[b]: independent additions of one level."""


def children(node: Node) -> tuple[Node, Node]:
    """Returns the two nodes whose sum this one is; a leaf has none."""
    first, last = node
    middle = first + (1 << (last - first - 1).bit_length() - 1)
    return (first, middle), (middle, last)


def cover(first: int, last: int, leaves: int) -> list[Node]:
    """Returns the fewest nodes of the tree over `leaves` that make up the leaves first … last−1, in order."""
    nodes = []
    while first < last:
        size = (first & -first) or 1 << leaves.bit_length()
        while min(first + size, leaves) > last:
            size //= 2
        nodes.append((first, min(first + size, leaves)))
        first = nodes[-1][1]
    return nodes


def fold_range(first: int, last: int, leaves: int) -> list[Step]:
    """Returns the additions that turn rows of leaves first … last−1 into the nodes of their cover.

    Row i holds leaf first+i; a node ends in the row of its first leaf.
    """
    steps = []
    size = 1
    while size < leaves:
        a = -(-first // (2 * size)) * 2 * size
        count = 0
        while (b := a + size + 2 * size * count) < last and min(b + size, leaves) <= last:
            count += 1
        if count:
            start, stop = a - first, a - first + 2 * size * count
            steps.append((slice(start, stop, 2 * size), slice(start + size, stop + size, 2 * size)))
        size *= 2
    return [(a, _clip(b, last - first)) for a, b in steps]


def _clip(rows: slice, count: int) -> slice:
    return slice(rows.start, min(rows.stop, count), rows.step)


def fold_nodes(row: Mapping[Node, int], leaves: int) -> tuple[list[tuple[int, int]], int]:
    """Returns the additions (a, b), rows[a] += rows[b], that turn these nodes into the root, and the root's row.

    row: where each node lies; the nodes cover every leaf once.
    """
    additions: list[tuple[int, int]] = []

    def visit(node: Node) -> int:
        if node in row:
            return row[node]
        left, right = children(node)
        a, b = visit(left), visit(right)
        additions.append((a, b))
        return a

    root = visit((0, leaves))
    return additions, root
