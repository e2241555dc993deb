"""How the gradients of all ranks meet: each rank gets the sum over all shards of one slice of the flat array."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from .plan import Join, make_plan
from .tree import Node, children, cover, fold_nodes

if TYPE_CHECKING:
    from dtrain.communicator.protocol import Communicator
    from dtrain.parameter import FlatLayout
    from dtrain.types import Array

CHUNK = 1 << 15
"""Elements added at once: two operands and a result stay in a core's second-level cache."""


class Exchange(Protocol):
    """Gradients in, one rank's slice of their total out; then the updated values to everyone."""

    ranges: list[tuple[int, int]]
    """The blocks (first, last) of each rank."""
    values: Array
    """The flat array of parameters that this rank reads; its own slice of it is the one it writes."""
    nodes: list[Array]
    """The flat arrays in which this rank's gradients are born, one a node of the cover of its shards."""

    def reduce(self, scale: float) -> tuple[Array, bool]:
        """Returns this rank's slice of the total gradient, times scale, and whether it is finite.

        Every rank has passed a barrier since it wrote its gradients.
        """

    def publish(self) -> None:
        """Makes every rank's updated slice of the values visible to all."""


class SharedExchange:
    """All ranks on one host: a rank sums its slice straight from its peers' gradients, updates it in place."""

    def __init__(
        self, layout: FlatLayout, shards: int, ranges: list[Node], communicator: Communicator, dtype: Any
    ) -> None:
        self._communicator = communicator
        me, size = communicator.rank, layout.size
        covers = [cover(a, b, shards) for a, b in ranges]
        self.values: Array = communicator.common(size, dtype)
        grads = communicator.allocate(size * max(map(len, covers)), dtype)
        assert all(g is not None for g in grads)
        rows = [(r, i) for r, nodes in enumerate(covers) for i in range(len(nodes))]
        every: list[Array] = [grads[r][i * size : (i + 1) * size] for r, i in rows]  # type: ignore[index]
        self.nodes = [array for (r, _), array in zip(rows, every, strict=True) if r == me]
        n = communicator.size
        self.ranges = [(layout.blocks * r // n, layout.blocks * (r + 1) // n) for r in range(n)]
        first, last = self.ranges[me]
        own = slice(first * layout.block, last * layout.block)
        local = [array[own] for array in every]
        fold, root = _fold_here(covers, shards, [r == me for r, _ in rows])
        self._total = local[root]
        pieces = [slice(start, start + CHUNK) for start in range(0, len(self._total), CHUNK)]
        self._pieces = [
            ([(local[a][piece], local[b][piece], local[to][piece]) for a, b, to in fold], self._total[piece])
            for piece in pieces
        ]

    def reduce(self, scale: float) -> tuple[Array, bool]:
        for fold, total in self._pieces:
            for a, b, to in fold:
                np.add(a, b, to)
            np.multiply(total, scale, total)
        return self._total, is_finite(self._total)

    def publish(self) -> None:
        self._communicator.barrier()


def _fold_here(
    covers: list[list[Node]], shards: int, mine: list[bool]
) -> tuple[list[tuple[int, int, int]], int]:
    """Returns additions (a, b, to), to ∈ {a, b}: into this rank's own array where one of the two is."""
    row = {node: i for i, node in enumerate(node for nodes in covers for node in nodes)}
    additions, root = fold_nodes(row, shards)
    place = list(range(len(row)))
    folds = []
    for a, b in additions:
        x, y = place[a], place[b]
        to = y if mine[y] and not mine[x] else x
        folds.append((x, y, to))
        place[a] = to
    return folds, place[root]


class MessageExchange:
    """Ranks that share no memory: partial sums travel by the plan, then the updated slices to everyone."""

    def __init__(
        self, layout: FlatLayout, shards: int, ranges: list[Node], communicator: Communicator, dtype: Any
    ) -> None:
        self._communicator = communicator
        self._block, size, me = layout.block, layout.size, communicator.rank
        every = [cover(a, b, shards) for a, b in ranges]
        covers = every[me]
        self.values = _own(communicator, size, dtype)
        flat = _own(communicator, size * max(map(len, every)), dtype)
        self.nodes = [flat[i * size : (i + 1) * size] for i in range(len(covers))]
        plan = make_plan(shards, ranges, layout.blocks, me)
        self.ranges = plan.ranges
        self._held: dict[Node, tuple[int, Array]] = {
            node: (0, array) for node, array in zip(covers, self.nodes, strict=True)
        }
        self._rounds = [[self._prepare(join, dtype) for join in joins] for joins in plan.rounds]
        first, last = self.ranges[me]
        self._own = slice(first * self._block, last * self._block)
        start, whole = self._held[0, shards]
        self._total = whole[self._own.start - start : self._own.stop - start]
        widest = max(b - a for a, b in self.ranges) * self._block
        self._send = np.zeros(widest, dtype)
        self._receive = np.zeros((communicator.size, widest), dtype)

    def _prepare(self, join: Join, dtype: Any) -> _Round:
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
        held: tuple[int, Array] | None, dtype: Any,
    ) -> Array:  # fmt: skip
        me, block = self._communicator.rank, self._block
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

    def reduce(self, scale: float) -> tuple[Array, bool]:
        for joins in self._rounds:
            sends = [message for step in joins for message in step.sends]
            receives = [message for step in joins for message in step.receives]
            self._communicator.exchange(sends, receives)
            for step in joins:
                for to, part in step.copies:
                    np.copyto(to, part)
                left, right = step.operands
                np.add(left, right, step.out)
        np.multiply(self._total, scale, out=self._total)
        return self._total, is_finite(self._total)

    def publish(self) -> None:
        count = self._own.stop - self._own.start
        self._send[:count] = self.values[self._own]
        self._communicator.allgather(self._send, self._receive)
        for (first, last), part in zip(self.ranges, self._receive, strict=True):
            self.values[first * self._block : last * self._block] = part[: (last - first) * self._block]


class _Round:
    """The arrays of one join."""

    def __init__(self, out: Array) -> None:
        self.out = out
        self.operands: list[Array] = []
        self.sends: list[tuple[int, Array]] = []
        self.receives: list[tuple[int, Array]] = []
        self.copies: list[tuple[Array, Array]] = []


def _own(communicator: Communicator, count: int, dtype: Any) -> Array:
    array = communicator.allocate(count, dtype)[communicator.rank]
    assert array is not None
    return array


def is_finite(flat: Array) -> bool:
    """Tells whether all elements are finite; one pass unless their squares overflow."""
    with np.errstate(over="ignore", invalid="ignore"):
        return isfinite(abs(flat.dot(flat))) or bool(np.isfinite(flat).all())


def make_exchange(
    layout: FlatLayout, shards: int, ranges: list[Node], communicator: Communicator, dtype: Any
) -> Exchange:
    """Returns the exchange that fits what the ranks can address."""
    kind = SharedExchange if communicator.shares_memory else MessageExchange
    return kind(layout, shards, ranges, communicator, dtype)
