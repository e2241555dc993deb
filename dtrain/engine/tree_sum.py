"""The sum over all shards of a stretch of the flat array, by messages: each rank ends with a slice of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dtrain.contracts import Messages

from .plan import Join, make_plan
from .tree import Node, children, cover

if TYPE_CHECKING:
    from dtrain.contracts import Moves
    from dtrain.types import Array


class TreeSum:
    """Adds the ranks' partial sums in the fixed tree over shards.

    nodes: a stretch each, whole blocks, one a node of the cover of this rank's shards. ranges: the shards of each rank.
    The slices are `ranges`, in blocks, and this rank's is `own`, in elements; after `add`, `total` holds it.
    """

    def __init__(
        self, nodes: list[Array], shards: int, ranges: list[tuple[int, int]], rank: int, block: int
    ) -> None:
        self._rank, self._block = rank, block
        first, last = ranges[rank]
        plan = make_plan(shards, ranges, len(nodes[0]) // block, rank)
        self.ranges = plan.ranges
        covers = cover(first, last, shards)
        self._held: dict[Node, tuple[int, Array]] = {
            node: (0, array) for node, array in zip(covers, nodes, strict=True)
        }
        self._rounds = [[self._prepare(join, nodes[0].dtype) for join in joins] for joins in plan.rounds]
        a, b = self.ranges[rank]
        self.own = slice(a * block, b * block)
        start, whole = self._held[0, shards]
        self.total = whole[self.own.start - start : self.own.stop - start]

    def _prepare(self, join: Join, dtype: np.dtype[Any]) -> _Round:
        """Lays out the arrays of one join: what is sent, what is received where, what is added to what."""
        assert join.own is not None
        left, right = children(join.node)
        first, last = (n * self._block for n in join.own)
        out = np.zeros(last - first, dtype)
        step = _Round(out)
        for child, come, give in ((left, join.left, join.give_left), (right, join.right, join.give_right)):
            held = self._held.get(child)
            for peer, a, b in give:
                assert held is not None
                step.sends.append((peer, held[1][a * self._block - held[0] : b * self._block - held[0]]))
            step.operands.append(self._operand(step, come, first, last, held, dtype))
        self._held[join.node] = (first, out)
        return step

    def _operand(
        self, step: _Round, come: list[tuple[int, int, int]], first: int, last: int,
        held: tuple[int, Array] | None, dtype: np.dtype[Any],
    ) -> Array:  # fmt: skip
        me, block = self._rank, self._block
        if [peer for peer, _, _ in come] == [me]:
            assert held is not None
            return held[1][first - held[0] : last - held[0]]
        whole = np.zeros(last - first, dtype)
        for peer, a, b in come:
            part = whole[a * block - first : b * block - first]
            if peer == me:
                assert held is not None
                step.copies.append((part, held[1][a * block - held[0] : b * block - held[0]]))
            else:
                step.receives.append((peer, part))
        return whole

    def add(self) -> Moves[None]:
        """Adds what the nodes hold now, level by level; what there is of them must stay until it is done."""
        for joins in self._rounds:
            yield Messages(
                [message for step in joins for message in step.sends],
                [message for step in joins for message in step.receives],
            )
            for step in joins:
                for to, part in step.copies:
                    np.copyto(to, part)
                left, right = step.operands
                np.add(left, right, step.out)


class _Round:
    """The arrays of one join."""

    def __init__(self, out: Array) -> None:
        self.out = out
        self.operands: list[Array] = []
        self.sends: list[tuple[int, Array]] = []
        self.receives: list[tuple[int, Array]] = []
        self.copies: list[tuple[Array, Array]] = []
