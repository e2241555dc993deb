"""Running statistics: what inference takes for the mean and the variance of a batch."""

from __future__ import annotations

import numpy as np

from dtrain import Array, Context, Maker, Shape, State


class Running:
    """A mean and an unbiased variance per feature, as states: 0 and 1 before the first batch.

    One value has no unbiased variance. A batch of one value per feature is therefore left out, its mean as well, so
    that both statistics always describe the same batches: as if it had been dropped. In `Exponential` that mean would
    also weigh as much as one over a full batch. Of a batch in groups, the mean is that of all rows; the variance is
    the average of the unbiased variances of the groups with more than one value, weighed by their counts.
    """

    def __init__(self, make: Maker, shape: Shape) -> None:
        self.mean = make.state("mean", shape, 0.0)
        self.variance = make.state("variance", shape, 1.0)

    def observe(self, count: int, mean: Array, variance: Array, context: Context) -> None:
        """Takes in a batch of `count` values per feature; variance: the biased one."""
        if count > 1:
            self._average(count, mean.real, variance.real * (count / (count - 1)), context)

    def observe_groups(self, counts: Array, mean: Array, variance: Array, context: Context) -> None:
        """Takes in a batch in groups: counts (groups,), mean and variance (groups, d)."""
        several = np.where(counts > 1, counts, 0)
        if not several.any():
            return
        total = int(counts.sum())
        unbiased = variance.real * (several / np.maximum(several - 1, 1))[:, None]
        self._average(total, counts @ mean.real / total, several @ unbiased / several.sum(), context)

    def _average(self, count: int, mean: Array, variance: Array, context: Context) -> None:
        raise NotImplementedError


class Exponential(Running):
    """new = (1 − momentum)·old + momentum·batch."""

    def __init__(self, make: Maker, shape: Shape, momentum: float) -> None:
        super().__init__(make, shape)
        self.momentum = momentum
        # NumPy takes arrays without a dimension faster than Python's numbers.
        self._momentum, self._keep = np.array(momentum), np.array(1 - momentum)
        self._fresh: dict[int, Array] = {}

    def observe(self, count: int, mean: Array, variance: Array, context: Context) -> None:
        if count < 2:
            return
        fresh = self._fresh.get(count)
        if fresh is None:
            fresh = self._fresh[count] = np.array(self.momentum * count / (count - 1))
        self._move(self.mean, mean, self._momentum, context)
        self._move(self.variance, variance, fresh, context)

    def _average(self, count: int, mean: Array, variance: Array, context: Context) -> None:
        self._move(self.mean, mean, self._momentum, context)
        self._move(self.variance, variance, self._momentum, context)

    def _move(self, state: State, value: Array, weight: Array, context: Context) -> None:
        new = np.multiply(state.value, self._keep)
        context.update(state, np.add(new, np.multiply(value.real, weight), new))


class Cumulative(Running):
    """The average over all batches so far, weighed by their counts."""

    def __init__(self, make: Maker, shape: Shape) -> None:
        super().__init__(make, shape)
        self.count = make.state("count", (), 0.0)

    def _average(self, count: int, mean: Array, variance: Array, context: Context) -> None:
        total = self.count.value + count
        weight = count / total
        for state, value in ((self.mean, mean), (self.variance, variance)):
            context.update(state, (1 - weight) * state.value + weight * value)
        context.update(self.count, np.array(total))


class Windowed(Running):
    """The average over the last `window` batches, weighed by their counts; keeps the statistics of each."""

    def __init__(self, make: Maker, shape: Shape, window: int) -> None:
        super().__init__(make, shape)
        self.means = make.state("means", (window, *shape), 0.0)
        self.variances = make.state("variances", (window, *shape), 0.0)
        self.counts = make.state("counts", (window,), 0.0)
        self.seen = make.state("seen", (), 0.0)

    def _average(self, count: int, mean: Array, variance: Array, context: Context) -> None:
        slot = int(self.seen.value) % len(self.counts.value)
        for state, value in ((self.means, mean), (self.variances, variance), (self.counts, count)):
            new = state.value.copy()
            new[slot] = value
            context.update(state, new)
        counts = self.counts.value
        total = counts.sum()
        context.update(self.mean, counts @ self.means.value / total)
        context.update(self.variance, counts @ self.variances.value / total)
        context.update(self.seen, np.array(self.seen.value + 1))
