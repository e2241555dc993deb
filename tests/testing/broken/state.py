"""What a run that is resumed has lost: kept outside of state, slots and `state()`."""

from __future__ import annotations

import numpy as np

from dtrain import Callback, Layer, Optimizer, Schedule

from .right import Asks, Square, SteepestDescent
from .right_exchanges import InRankOrder
from .right_layers import Learned
from .table import broken


@broken("layers", "state")
class LearnsIntoAnAttribute(Learned):
    """A run that is resumed does not fit again, and knows nothing of it."""

    learned = 0.0

    def fit(self, batches, context):
        super().fit(batches, context)
        self.learned, self.mean.value = self.mean.value, np.zeros_like(self.mean.value)

    def forward(self, x, context):
        return x - np.asarray(self.learned, x.dtype), lambda dy: dy


@broken("layers", "state")
class HiddenState(Layer):
    """A running mean that no checkpoint sees."""

    def __init__(self) -> None:
        self.mean = np.zeros(8)

    def forward(self, x, context):
        if context.training and context.rows:
            self.mean = 0.5 * self.mean + 0.5 * context.sum(x.real.astype(np.float64)) / context.rows
            return x, lambda dy: dy
        return x - self.mean.astype(x.dtype), lambda dy: dy


@broken("losses", "state")
class LossWithMemory(Square):
    """Scales with the number of steps that it has seen."""

    steps = 0.0

    def forward(self, y, target, context):
        if context.training:
            self.steps += 1
        d, scale = y - target, y.dtype.type(1 + 0.1 * max(self.steps - 1, 0))
        return scale * (d * d).sum(axis=1), lambda: 2 * scale * d


@broken("optimizers", "state")
class KeepsNoState(Asks):
    """What it decided is lost when the run is resumed."""

    sums_over = "all"

    def __init__(self) -> None:
        self.largest = 0.0

    def decide(self, step, sums):
        self.largest = max(self.largest, sums[0])

    def update(self, value, gradient, context, *slots):
        gradient *= self.lr / (1 + self.largest**0.5)
        value -= gradient


@broken("optimizers", "state")
class HiddenCounter(Optimizer):
    """Its rate falls with the updates that it has counted itself."""

    lr = 0.1

    def __init__(self) -> None:
        self.last = self.count = 0

    def update(self, value, gradient, context, *slots):
        if context.step != self.last:
            self.last, self.count = context.step, self.count + 1
        value -= self.lr / self.count * gradient


@broken("optimizers", "state")
class HiddenStep(SteepestDescent):
    """Its rate falls with the steps that it has counted itself."""

    count = 0

    def solve(self, problem):
        self.count += 1
        self.lr = 1 / self.count
        return super().solve(problem)


@broken("schedules", "state")
class CountsCalls(Schedule):
    count = 0

    def __call__(self, step, steps, epoch):
        self.count += 1
        return 1 / self.count


@broken("schedules", "state")
class StateThatIsNoJson(Schedule):
    def __call__(self, step, steps, epoch):
        return 1.0

    def state(self):
        return {"best": np.zeros(3)}


@broken("callbacks", "state")
class ForgetsHowLongItWaited(Callback):
    count = 0

    def after_epoch(self, run):
        self.count += 1
        if self.count == 9:
            run.stop("nine epochs")


@broken("exchanges", "state")
class CountsInItself(InRankOrder):
    """A number that no checkpoint keeps changes what it does."""

    def __init__(self):
        super().__init__()
        self.count = {}

    def total(self, part):
        self.count[part.number] = self.count.get(part.number, 0) + 1
        yield from super().total(part)
        part.gradient[:] *= 1 + 1e-4 * self.count[part.number]
