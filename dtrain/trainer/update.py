"""From the total gradient to new values: regularizers, clipping, the optimizer, on this rank's slice alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING, Any

import numpy as np

from dtrain.engine.replica import BLOCK
from dtrain.engine.totals import Totals, square_sums
from dtrain.engine.twin import step_along
from dtrain.parameter import ALIGN

if TYPE_CHECKING:
    from dtrain.contracts import Optimizer, Regularizer
    from dtrain.engine import Replica
    from dtrain.parameter import Parameter
    from dtrain.types import Array

PIECE = 1 << 15
"""Elements that one call of an optimizer gets: its arrays stay in a core's second-level cache."""


class Scratchpad:
    """What an optimizer's `update` sees of the engine."""

    def __init__(self, dtype: Any) -> None:
        self.step = 0
        self.role = ""
        self._dtype = np.dtype(dtype)
        self._arrays: list[Array] = []
        self._next = 0

    def begin(self, step: int, role: str) -> None:
        self.step, self.role, self._next = step, role, 0

    def empty(self, count: int) -> Array:
        """Returns scratch of the parameters' dtype, shape (count,)."""
        i = self._next
        self._next = i + 1
        if i == len(self._arrays) or len(self._arrays[i]) < count:
            self._arrays[i:] = [np.empty(max(count, PIECE), self._dtype)]
        return self._arrays[i][:count]


@dataclass(frozen=True)
class Penalty:
    """A regularizer and the parameters that it acts on."""

    regularizer: Regularizer
    parameters: Sequence[Parameter]


class Update:
    """Applies an optimizer to this rank's slice of the flat arrays, in pieces of one role."""

    def __init__(
        self, replica: Replica, optimizer: Optimizer, penalties: Sequence[Penalty] = (),
        clip_norm: float | None = None, clip_value: float | None = None,
    ) -> None:  # fmt: skip
        self._replica, self.optimizer = replica, optimizer
        self._clip_norm, self._clip_value = clip_norm, clip_value
        own, layout = replica.own, replica.layout
        self.slots: dict[str, Array] = {
            name: np.zeros(own.stop - own.start, replica.network.dtype) for name in optimizer.slots
        }
        self._values = replica.exchange.values[own]
        self._pieces = [
            (self._values[piece], piece, [slot[piece] for slot in self.slots.values()], role)
            for role in (layout.regions if optimizer.by_role else ("",))
            for span in _runs([p for p in layout.parameters if p.role.startswith(role) and p.trainable])
            for piece in _pieces(span, own)
        ]
        self.penalties = [
            (p.regularizer, [piece for span in _runs(p.parameters) for piece in _pieces(span, own)])
            for p in penalties
        ]
        self._pad = Scratchpad(replica.network.dtype)
        communicator = replica.communicator
        blocks = Totals(layout.blocks, replica.exchange.ranges, communicator)
        self._add_blocks = blocks.add
        self._flag = np.zeros(1)
        self._flags = np.zeros((communicator.size, 1))

    def prepare(self, gradient: Array, finite: bool) -> bool:
        """Adds regularizers and clips; returns, on all ranks alike, whether the whole gradient is finite.

        gradient: this rank's slice of the mean's gradient; changed in place. finite: whether this slice is.
        Also a barrier: after it, every rank has read its peers' gradients.
        """
        for regularizer, pieces in self.penalties:
            for piece in pieces:
                regularizer.gradient(self._values[piece], gradient[piece])
        if self._clip_value is not None:
            np.clip(gradient, -self._clip_value, self._clip_value, out=gradient)
        if self._clip_norm is not None:
            return self._clip(gradient)
        if self._replica.communicator.size == 1:
            return finite
        return self.everywhere(finite)

    def everywhere(self, true: bool) -> bool:
        """Tells whether this is true on all ranks. A barrier."""
        self._flag[0] = not true
        self._replica.communicator.allgather(self._flag, self._flags)
        return not np.count_nonzero(self._flags)

    def _clip(self, gradient: Array) -> bool:
        assert self._clip_norm is not None
        norm = sqrt(self.total(square_sums(gradient, BLOCK)))
        if not np.isfinite(norm):  # it may have overflowed in float32
            norm = sqrt(self.total(square_sums(gradient.astype(np.float64), BLOCK)))
        if norm > self._clip_norm:
            np.multiply(gradient, self._clip_norm / norm, out=gradient)
        return bool(np.isfinite(norm))

    def total(self, blocks: Array) -> float:
        """Returns the sum of one number a block of the flat array; this rank has those of its slice."""
        return float(self._add_blocks(blocks)) if len(blocks) or self._replica.communicator.size > 1 else 0.0

    def apply(self, gradient: Array, step: int) -> None:
        """Updates this rank's values and slots; then every rank's are visible to all. step: from 1."""
        update, pad = self.optimizer.update, self._pad
        for value, piece, slots, role in self._pieces:
            pad.begin(step, role)
            update(value, gradient[piece], pad, *slots)
        self._replica.exchange.publish()

    def put(self, value: Array) -> None:
        """Sets this rank's slice of the trained values; then every rank's are visible to all."""
        for to, piece, _, _ in self._pieces:
            to[...] = value[piece]
        self._replica.exchange.publish()

    def penalty_product(self, value: Array, v: Array, norm: float, out: Array) -> None:
        """Adds the regularizers' second derivatives at `value`, times v of this norm, to `out`."""
        dtype = np.result_type(value.dtype, np.complex64)
        h = step_along(norm, dtype)
        for regularizer, pieces in self.penalties:
            for piece in pieces:
                gradient = np.zeros(len(value[piece]), dtype)
                regularizer.gradient(value[piece] + (1j * h) * v[piece], gradient)
                out[piece] += gradient.imag / h

    def penalty(self) -> float:
        """Returns the sum of all penalties at the present values. A collective."""
        if not self.penalties:
            return 0.0
        own = self._replica.own
        blocks = np.zeros((own.stop - own.start) // BLOCK)
        for regularizer, pieces in self.penalties:
            for piece in pieces:
                for block in range(piece.start // BLOCK, -(-piece.stop // BLOCK)):
                    a, b = max(piece.start, block * BLOCK), min(piece.stop, (block + 1) * BLOCK)
                    blocks[block] += regularizer.penalty(self._values[a:b])
        return self.total(blocks)


def _runs(parameters: Sequence[Parameter]) -> Iterator[tuple[int, int]]:
    """Yields (start, stop) of the flat array for runs of neighbouring parameters."""
    start = stop = None
    for p in sorted(parameters, key=lambda p: p.offset):
        if start is None or p.offset != stop:
            if start is not None and stop is not None:
                yield start, stop
            start = p.offset
        stop = p.offset + -(-p.size // ALIGN) * ALIGN
    if start is not None and stop is not None:
        yield start, stop


def _pieces(span: tuple[int, int], own: slice) -> Iterator[slice]:
    """Yields the part of a span that lies in `own`, relative to it, in pieces of at most PIECE elements.

    Cut between blocks, so that a sum over a block does not depend on where a rank's slice starts.
    """
    start, stop = max(span[0], own.start), min(span[1], own.stop)
    while start < stop:
        end = min(start // BLOCK * BLOCK + PIECE, stop)
        yield slice(start - own.start, end - own.start)
        start = end
