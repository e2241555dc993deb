"""One training step: forward, backward, one exchange of gradients, one update."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from dtrain.contracts import Transform
    from dtrain.data import Batch
    from dtrain.engine import Context, Replica
    from dtrain.types import Array

    from .figures import Figures
    from .update import Update


class Step:
    """Runs steps. After a call, `sums` holds the totals of the figures' columns, the same on all ranks.

    `flags` is the sum of all ranks' `flag`, and of batches with a problem: above 0 when any rank has something
    to say. `problem` is this rank's. transforms: of training samples, applied in order.
    """

    def __init__(
        self, replica: Replica, figures: Figures, update: Update, transforms: Sequence[Transform] = ()
    ) -> None:
        self._replica, self._figures, self._update = replica, figures, update
        self._transforms = transforms
        self.problem: str | None = None
        own = replica.own
        self._sum = np.zeros(own.stop - own.start, replica.network.dtype)
        self._sums: Array = np.zeros(0)
        self._weight = 0.0
        self._several = False
        self.sums: Array = np.zeros(0)
        self.flags = 0.0

    def __call__(self, batches: Iterable[Batch], epoch: int, step: int, flag: float = 0.0) -> bool:
        """Trains on the micro-batches of one global batch; returns whether the parameters were updated.

        epoch, step: epochs and updates done. A step whose loss or gradient is not finite changes nothing.
        """
        self.sums, gradient, finite = self.run(batches, epoch, step, flag)
        self.flags = self.sums[-1]
        finite = self._update.prepare(gradient, finite) and isfinite(self.sums[0])
        if finite:
            self._update.apply(gradient, step + 1)
            self._replica.context.commit()
        else:
            self._replica.context.rollback()
        return finite

    def run(
        self, batches: Iterable[Batch], epoch: int, step: int, flag: float = 0.0
    ) -> tuple[Array, Array, bool]:
        """Returns the totals of the columns, this rank's slice of the mean's gradient, and whether it is finite.

        All of the present values; what follows has to pass a barrier before gradients are written again.
        """
        sums: Array | None = None
        self._weight = 0.0
        for batch in batches:
            if sums is not None:
                self._keep(sums)
            sums = self._gradients(batch, epoch, step, flag)
            flag = 0.0
        assert sums is not None, "a global batch has at least one micro-batch"
        return self._total(sums)

    def losses(self, batches: Iterable[Batch], epoch: int, step: int) -> Array:
        """Returns the totals of the columns alone, without a backward pass."""
        sums: Array | None = None
        for batch in batches:
            parts, _, _ = self._forward(batch, epoch, step)
            total = self._replica.totals.add(parts)
            sums = total if sums is None else sums + total
        assert sums is not None, "a global batch has at least one micro-batch"
        return sums

    def _gradients(self, batch: Batch, epoch: int, step: int, flag: float) -> Array:
        """Leaves this micro-batch's gradients in the exchange's arrays; returns the totals of its columns.

        Where gradients set out early, the totals are formed before.
        """
        replica = self._replica
        if batch.problem is not None:
            self.problem = batch.problem
            flag += 1
        parts, loss_backward, backward = self._forward(batch, epoch, step)
        parts[0, -1] = flag
        early = self._add(parts) if replica.exchange.overlaps else None
        if early is not None:
            replica.exchange.set_out(inverse(self._weight), batch.several)
        replica.gradients.begin(batch.layout.slices)
        backward(loss_backward())
        replica.gradients.end()
        return self._add(parts) if early is None else early

    def _add(self, parts: Array) -> Array:
        """Returns the totals of the columns; their weight is this rank's own where it trains by itself."""
        own = float(parts[:, 1].sum()) if self._replica.exchange.alone else None
        sums = self._replica.totals.add(parts)
        self._weight += float(sums[1]) if own is None else own
        return sums

    def _forward(self, batch: Batch, epoch: int, step: int) -> tuple[Array, Any, Any]:
        """Returns the sums of each local shard, the loss's backward and the network's."""
        batch = self.transformed(batch, epoch, step)
        y, backward = self._replica.network.forward(batch.x, self._replica.context)
        return *self._figures.of(y, batch, self._replica.context), backward

    def transformed(self, batch: Batch, epoch: int, step: int) -> Batch:
        """Starts a pass over a micro-batch, and returns it as the network sees it."""
        context = self._replica.context
        context.begin(batch.layout, training=True, step=step, epoch=epoch, place=batch.place)
        return self._transform(batch, context) if self._transforms else batch

    def _transform(self, batch: Batch, context: Context) -> Batch:
        x, y = batch.x, batch.y
        for i, transform in enumerate(self._transforms):
            context.layer = f"transform {i + 1}"
            try:
                x, y = transform.forward(x, y, context)
            except Exception as error:
                error.add_note(f"in the transform {type(transform).__name__}")
                raise
        return batch._replace(x=x, y=y)

    def _keep(self, sums: Array) -> None:
        """Adds up a micro-batch that another follows."""
        gradient = self._replica.exchange.collect()
        if self._several:
            np.add(self._sum, gradient, out=self._sum)
            self._sums += sums
        else:
            self._several = True
            np.copyto(self._sum, gradient)
            self._sums = sums
        self._replica.among.barrier()

    def _total(self, sums: Array) -> tuple[Array, Array, bool]:
        if not self._several:
            return sums, *self._replica.exchange.reduce(inverse(self._weight))
        self._keep(sums)
        self._several = False
        return self._sums, *self._replica.exchange.finish(self._sum, inverse(self._weight))


def inverse(weight: float) -> float:
    """Returns 1/weight; 0 where no row counts, whose gradient is 0."""
    return 1.0 / float(weight) if weight else 0.0  # a NumPy scalar would make float64 of the gradient
