"""From the total gradient to new values: regularizers, clipping, the optimizer, on this rank's slice alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING, Any

import numpy as np

from dtrain.engine.journal import Journal
from dtrain.engine.replica import BLOCK
from dtrain.engine.totals import Totals, square_sums
from dtrain.engine.twin import step_along
from dtrain.parameter import ALIGN

from .sums import Sums

if TYPE_CHECKING:
    from dtrain.contracts import Optimizer, Regularizer
    from dtrain.engine import Replica
    from dtrain.parameter import FlatLayout, Parameter
    from dtrain.types import Array

PIECE = 1 << 15
"""Elements that one call of an optimizer gets: its arrays stay in a core's second-level cache."""


SMALLER = 2.0**-560
"""Makes of any float64 a number whose square can be added up."""

SMALL_NORM = 1e-10
"""A norm that float32 finds: what it loses of squares below its range is nothing beside it."""


class Scratchpad:
    """What an optimizer's `update` sees of the engine."""

    def __init__(self, dtype: Any) -> None:
        self.step = 0
        self.role = ""
        self.sums: tuple[float, ...] = ()
        self._dtype = np.dtype(dtype)
        self._arrays: list[Array] = []
        self._next = 0

    def begin(self, step: int, role: str, sums: tuple[float, ...] = ()) -> None:
        self.step, self.role, self.sums, self._next = step, role, sums, 0

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
        self.journal: Journal | None = None
        self.slots: dict[str, Array] = self._make_slots()
        self._values = replica.exchange.values[own]
        self._pieces = [
            (self._values[piece], piece, [slot[piece] for slot in self.slots.values()], role)
            for piece, role in self._cut(own)
        ]
        chosen = [
            (p.regularizer, [piece for span in _runs(p.parameters) for piece in _pieces(span, own)])
            for p in penalties
        ]
        self.penalties = [pair for pair in chosen if not pair[0].decoupled]
        self._decays = [pair for pair in chosen if pair[0].decoupled]
        self._pad = Scratchpad(replica.network.dtype)
        self._sums = Sums(replica, optimizer, [p[1] for p in self._pieces]) if optimizer.sums_over else None
        blocks = Totals(layout.blocks, replica.exchange.ranges, replica.among)
        self._add_blocks = blocks.add
        self._flag = np.zeros(1)
        self._flags = np.zeros((replica.communicator.size, 1))

    def _make_slots(self) -> dict[str, Array]:
        """Returns this rank's slice of every slot; where ranks may be lost, of arrays that all of them share."""
        replica, names, dtype = self._replica, self.optimizer.slots, self._replica.network.dtype
        own, communicator = replica.own, replica.among
        if not (communicator.recovers and communicator.shares_memory):
            return {name: np.zeros(own.stop - own.start, dtype) for name in names}
        self.shared_slots = {name: communicator.common(replica.layout.size, dtype) for name in names}
        arrays = [replica.exchange.values, *self.shared_slots.values()]
        self.journal = Journal(arrays, self._pieces_of, replica.slice_of, communicator)
        return {name: slot[own] for name, slot in self.shared_slots.items()}

    def _cut(self, own: slice) -> list[tuple[slice, str]]:
        """Returns the pieces of a rank's slice, relative to it, with their roles, in the order of updating."""
        spans = _spans(self._replica.layout, self.optimizer)
        return [(piece, role) for role, span in spans for piece in _pieces(span, own)]

    def _pieces_of(self, rank: int) -> list[slice]:
        own = self._replica.slice_of(rank)
        return [slice(own.start + piece.start, own.start + piece.stop) for piece, _ in self._cut(own)]

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
            finite = self._clip(gradient, finite)
            if not self._replica.exchange.whole:
                return finite  # the norm is over all ranks' slices
        if self._replica.communicator.size == 1:
            return finite
        return self.everywhere(finite)

    def everywhere(self, true: bool) -> bool:
        """Tells whether this is true on all ranks. A barrier."""
        self._flag[0] = not true
        self._replica.communicator.allgather(self._flag, self._flags)
        return not np.count_nonzero(self._flags)

    def _clip(self, gradient: Array, finite: bool) -> bool:
        assert self._clip_norm is not None
        wide = gradient if self._clip_norm > SMALL_NORM else gradient.astype(np.float64)
        norm = self._norm(wide, finite)
        if not np.isfinite(norm):  # squares may have overflowed
            norm = self._norm(gradient.astype(np.float64) * SMALLER, finite) / SMALLER
        if norm > self._clip_norm:
            share = self._clip_norm / norm
            tiny = share < float(np.finfo(gradient.dtype).tiny)
            np.multiply(gradient, np.float64(share) if tiny else share, out=gradient)
        return bool(np.isfinite(norm))

    def _norm(self, gradient: Array, finite: bool) -> float:
        """Returns the norm of the whole gradient, infinite where a slice of it was not finite before clipping."""
        return sqrt(
            self.total(square_sums(gradient, BLOCK) if finite else np.full(len(gradient) // BLOCK, np.inf))
        )

    def total(self, blocks: Array) -> float:
        """Returns the sum of one number a block of the flat array; this rank has those of its slice."""
        return float(self._add_blocks(blocks)) if len(blocks) or self._replica.among.size > 1 else 0.0

    def apply(self, gradient: Array, step: int) -> None:
        """Updates this rank's values and slots; then every rank's are visible to all. step: from 1."""
        if self._decays or self._sums is not None:
            self.keep_all()
            self._apply_in_turns(gradient, step)
        elif self.journal is not None:
            self._apply_kept(self.journal, gradient, step)
        else:
            self._apply_plain(gradient, step)
        self._replica.exchange.publish()

    def _apply_plain(self, gradient: Array, step: int) -> None:
        update, pad = self.optimizer.update, self._pad
        for value, piece, slots, role in self._pieces:
            pad.begin(step, role)
            update(value, gradient[piece], pad, *slots)

    def _apply_kept(self, journal: Journal, gradient: Array, step: int) -> None:
        """Updates piece by piece, each kept before: its numbers are in the cache then."""
        journal.begin()
        start = self._replica.own.start
        for count, (value, piece, slots, role) in enumerate(self._pieces, 1):
            journal.keep(count, slice(start + piece.start, start + piece.stop))
            self._pad.begin(step, role)
            self.optimizer.update(value, gradient[piece], self._pad, *slots)

    def keep_all(self) -> None:
        """Keeps this rank's values and slots for the journal, if there is one, before they are changed."""
        if self.journal is not None:
            self.journal.keep_all()

    def _apply_in_turns(self, gradient: Array, step: int) -> None:
        """Decays the values, measures where the optimizer asks for it, then updates."""
        for regularizer, pieces in self._decays:
            for piece in pieces:
                regularizer.decay(self._values[piece], self.optimizer.lr)
        if self._sums is not None and (count := self.optimizer.sums()):
            self._apply_measured(self._sums, count, gradient, step)
        else:
            self._apply_plain(gradient, step)

    def _apply_measured(self, sums: Sums, count: int, gradient: Array, step: int) -> None:
        optimizer, pad = self.optimizer, self._pad
        sums.begin(count)
        for i, (value, piece, slots, role) in enumerate(self._pieces):
            pad.begin(step, role)
            sums.take(i, optimizer.measure(value, gradient[piece], pad, *slots))
        found = sums.add()
        if optimizer.sums_over == "all":
            optimizer.decide(step, found[0])
        for (value, piece, slots, role), of_piece in zip(self._pieces, sums.of_pieces(found), strict=True):
            pad.begin(step, role, of_piece)
            optimizer.update(value, gradient[piece], pad, *slots)

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


def _spans(layout: FlatLayout, optimizer: Optimizer) -> Iterator[tuple[str, tuple[int, int]]]:
    """Yields (role, (start, stop)) of what an optimizer may take at once."""
    parameters = [p for p in layout.parameters if p.trainable]
    if optimizer.sums_over:
        for p in parameters:
            yield p.role if optimizer.by_role else "", (p.offset, p.offset + p.size)
        return
    for role in layout.regions if optimizer.by_role else ("",):
        for span in _runs([p for p in parameters if p.role.startswith(role)]):
            yield role, span


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
