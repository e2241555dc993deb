"""A step that an optimizer takes by itself: the engine shows it the problem, and takes its answer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import isfinite
from typing import TYPE_CHECKING

import numpy as np

from dtrain.contracts import Solver

from .problem import BatchProblem
from .step import Step

if TYPE_CHECKING:
    from dtrain.contracts import Transform
    from dtrain.data import Batch
    from dtrain.engine import Replica
    from dtrain.types import Array

    from .figures import Figures
    from .update import Update


class SolverStep(Step):
    """Runs steps of a `Solver`. `sums` are the totals at the point where the step began, as for other steps."""

    def __init__(
        self, replica: Replica, figures: Figures, update: Update, transforms: Sequence[Transform],
        solver: Solver,
    ) -> None:  # fmt: skip
        super().__init__(replica, figures, update, transforms)
        self.solver = solver
        self.seen = BatchProblem(replica, figures.loss, update, transforms)

    def __call__(self, batches: Iterable[Batch], epoch: int, step: int, flag: float = 0.0) -> bool:
        """As of every step. batches: can be gone through several times."""
        context = self._replica.context
        self.sums, gradient, finite = self.run(batches, epoch, step, flag)
        self.flags = self.sums[-1]
        statistics = context.set_aside()
        plain = gradient.copy()
        finite = self._update.prepare(gradient, finite)
        loss = self.seen.mean(self.sums)
        if not finite or not isfinite(loss):
            return False
        self.seen.begin(batches, epoch, step + 1, loss, gradient.copy(), plain)
        self._update.keep_all()
        value = self.solver.solve(self.seen)
        if not self._take(value):
            return False
        for state, after in statistics:
            context.update(state, after)
        context.commit()
        return True

    def _take(self, value: Array) -> bool:
        """Gives the parameters their new value, or the old one where the new is not finite."""
        finite = self._update.everywhere(bool(np.isfinite(value).all()))
        self._update.put(value if finite else self.seen.value)
        return finite


def make_step(
    replica: Replica, figures: Figures, update: Update, transforms: Sequence[Transform] = ()
) -> Step:
    """Returns what runs the steps of the update's optimizer."""
    if isinstance(update.optimizer, Solver):
        return SolverStep(replica, figures, update, transforms, update.optimizer)
    return Step(replica, figures, update, transforms)
