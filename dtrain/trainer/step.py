"""One training step: forward, backward, one exchange of gradients, one update."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import isfinite
from typing import TYPE_CHECKING

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
        self._several = False
        self.sums: Array = np.zeros(0)
        self.flags = 0.0

    def __call__(self, batches: Iterable[Batch], epoch: int, step: int, flag: float = 0.0) -> bool:
        """Trains on the micro-batches of one global batch; returns whether the parameters were updated.

        epoch, step: epochs and updates done. A step whose loss or gradient is not finite changes nothing.
        """
        sums: Array | None = None
        for batch in batches:
            if sums is not None:
                self._keep(sums)
            sums = self._gradients(batch, epoch, step, flag)
            flag = 0.0
        assert sums is not None, "a global batch has at least one micro-batch"
        return self._finish(sums, step)

    def _gradients(self, batch: Batch, epoch: int, step: int, flag: float) -> Array:
        """Leaves this micro-batch's gradients in the exchange's arrays; returns the totals of its columns."""
        replica = self._replica
        context = replica.context
        context.begin(batch.layout, training=True, step=step, epoch=epoch, place=batch.place)
        if batch.problem is not None:
            self.problem = batch.problem
            flag += 1
        if self._transforms:
            batch = self._transform(batch, context)
        y, backward = replica.network.forward(batch.x, context)
        parts, loss_backward = self._figures.of(y, batch, context)
        replica.gradients.begin(batch.layout.slices)
        backward(loss_backward())
        replica.gradients.end()
        parts[0, -1] = flag
        return replica.totals.add(parts)

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
        gradient, _ = self._replica.exchange.reduce(1.0)
        if self._several:
            np.add(self._sum, gradient, out=self._sum)
            self.sums += sums
        else:
            self._several = True
            np.copyto(self._sum, gradient)
            self.sums = sums
        self._replica.communicator.barrier()

    def _finish(self, sums: Array, step: int) -> bool:
        exchange = self._replica.exchange
        if self._several:
            self._keep(sums)
            self._several = False
            gradient = self._sum
            np.multiply(gradient, _inverse(self.sums[1]), out=gradient)
            finite = bool(np.isfinite(gradient).all())
        else:
            self.sums = sums
            gradient, finite = exchange.reduce(_inverse(sums[1]))
        self.flags = self.sums[-1]
        finite = self._update.prepare(gradient, finite) and isfinite(self.sums[0])
        if finite:
            self._update.apply(gradient, step + 1)
            self._replica.context.commit()
        else:
            self._replica.context.rollback()
        return finite


def _inverse(weight: float) -> float:
    """Returns 1/weight; 0 where no row counts, whose gradient is 0."""
    return 1.0 / float(weight) if weight else 0.0  # a NumPy scalar would make float64 of the gradient
