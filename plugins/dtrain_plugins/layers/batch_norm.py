from __future__ import annotations

from collections.abc import Iterable
from math import prod
from typing import Literal

import numpy as np

from dtrain import Array, Backward, Context, Maker, Shape, StatisticsOver

from ..ranges import AboveZero, Positive
from .broad import repeated, rows_as_one
from .normalization import Normalization
from .population import population
from .running import Cumulative, Exponential, Running, Windowed

_ONE = np.array(1.0)


class BatchNorm(Normalization):
    """Batch normalization over the global batch, on all ranks: y = γ·x̂ + β, x̂ = (x − μ)/√(σ² + ε).

    x: (rows, d) or channels-last (rows, …, d) → y: the same shape. In training μ and σ² (biased) are those of
    all rows of the global batch, and of all places where there are any; in inference they are the running
    statistics, whose variance is unbiased (n − 1).

    statistics: which running statistics. "exponential": new = (1 − momentum)·old + momentum·batch.
    "cumulative": the average over all training batches so far, or over the last `window` of them, weighed by
    their counts. "exact": exponential while training goes on, for the validation between epochs; after the last
    step, the mean and the variance of this layer's input over the whole training set, in one pass with the
    layers in front in inference ("precise BN"). All of them are in the checkpoint.
    momentum: weight of the new batch, (0, 1]. window: batches, ≥ 1, for "cumulative" only; None: all.
    epsilon: ε > 0. scale, offset: whether γ (d,) (1 at the start, role "scale") and β (d,) (0, role "bias")
    are learned; without, they are 1 and 0.
    group: None, or the number of consecutive shards, ≥ 1, whose rows are normalized by statistics of their own;
    1 gives those of each shard ("ghost" statistics), and the last group may have fewer. Groups are the same on
    any number of ranks, but follow `shards`: with 8 of them and group = 2 a batch of 256 has 4 groups of 64
    rows; with shards = "ranks" they change with the number of ranks. The running statistics take in the groups'
    means and unbiased variances, weighed by their counts; "exact" ones are those of the whole set in any case.

    The variance of one value (one row, and no or one place) is 0, and y is β whatever x is: a run whose batches,
    micro-batches or groups have one row is refused; where only the last batch of an epoch is so, a line warns. The
    running variance takes in no such batch or group, and the running mean no batch that gives no variance.

    With `accumulate`, the statistics are a micro-batch's. In float32, y is right for x of any size; dx loses its
    digits for x beyond 1e21, where it is below 1e-21 itself. Raises ValueError for options out of range, a window
    without "cumulative", and samples without a dimension. One exchange forward (counts, sums, squares), one
    backward (Σdy, Σdy·x̂); in groups, as many numbers for each group.

    Ioffe & Szegedy, "Batch normalization: accelerating deep network training by reducing internal covariate
    shift", 2015; ε inside the root. Groups: Hoffer, Hubara & Soudry, "Train longer, generalize better", 2017.
    Exact: Wu & Johnson, "Rethinking 'Batch' in BatchNorm", 2021; there each layer averages over batches that
    the layers in front normalize by their own statistics.
    """

    part = "batch_norm"
    examples = [
        {},
        {"momentum": 0.5, "epsilon": 0.1, "scale": False, "offset": False},
        {"input": (3, 2, 4)},
        {"statistics": "cumulative"},
        {"statistics": "cumulative", "window": 2},
        {"statistics": "exact"},
        {"group": 2},
    ]
    expected_failed_checks = {
        "split[group=2]": "statistics of groups of shards follow the shards: that is what the option asks for"
    }
    absorbs_bias = True

    def __init__(
        self,
        momentum: AboveZero = 0.1,
        epsilon: Positive = 1e-5,
        scale: bool = True,
        offset: bool = True,
        statistics: Literal["exponential", "cumulative", "exact"] = "exponential",
        window: int | None = None,
        group: int | None = None,
    ) -> None:
        super().__init__(epsilon, scale, offset)
        if window is not None and statistics != "cumulative":
            raise ValueError(
                f'window is for statistics = "cumulative", got window {window} with "{statistics}"'
            )
        if window is not None and window < 1:
            raise ValueError(f"window must be at least 1 batch, got {window}")
        if group is not None and group < 1:
            raise ValueError(f"group must be at least 1 shard, got {group}")
        self.momentum, self.statistics, self.window, self.group = momentum, statistics, window, group
        if statistics == "exact":
            self.fits = "end"
        # NumPy takes arrays without a dimension faster than Python's numbers.
        self._epsilon = np.array(epsilon)
        self._minus: dict[tuple[int, str], Array] = {}

    def build(self, shape: Shape, make: Maker) -> Shape:
        super().build(shape, make)
        self.axes = tuple(range(1, len(shape)))
        self.statistics_over = StatisticsOver("batch", prod(shape[:-1]), self.group)
        self.running = self._running(make, shape[-1:])
        return shape

    def _running(self, make: Maker, shape: Shape) -> Running:
        if self.statistics != "cumulative":
            return Exponential(make, shape, self.momentum)
        return Cumulative(make, shape) if self.window is None else Windowed(make, shape, self.window)

    def fit(self, batches: Iterable[Array], context: Context) -> None:
        count, mean, variance = population(batches, context, self.axes)
        if count > 1:
            self.running.mean.value, self.running.variance.value = mean, variance

    def forward(self, x: Array, context: Context) -> tuple[Array, Backward]:
        shape, dtype, training = x.shape, x.dtype, context.training
        of: Array | None = None
        if not training:
            mean, variance = self.running.mean.value, self.running.variance.value
        elif self.group is None:
            count, mean, variance = context.moments(x, self.axes)
            known = self._minus.get((count, dtype.char))
            if known is None:
                known = self._minus[count, dtype.char] = np.array(-1 / max(count, 1), dtype)
            minus = known
            self.running.observe(count, mean, variance, context)
        else:
            of = context.groups(self.group)
            minus, mean, variance = self._of_groups(x, self.group, context)
        root = np.add(variance, self._epsilon)
        inverse = np.divide(_ONE, np.sqrt(root, root), root).astype(dtype)
        centre = mean.astype(dtype)
        rest = np.subtract(mean, centre).astype(dtype)  # what rounding lost: matters at mean ≫ deviation
        scale = np.multiply(inverse, self.gamma.value) if self.has_scale else inverse
        offset = np.multiply(rest, scale)
        np.subtract(self.beta.value if self.has_offset else 0, offset, offset)
        factor = scale
        many, block = 1, shape
        if of is not None:
            centre, factor, offset = (_to_rows(c, of, shape, context) for c in (centre, scale, offset))
        elif (many := rows_as_one(x)) > 1:
            block = (x.size // (many * shape[-1]), many * shape[-1])
            centre, factor, offset = (repeated(c, many, context) for c in (centre, scale, offset))
            x = x.reshape(block)
        xc = np.subtract(x, centre, context.empty(block, dtype))
        y = np.multiply(xc, factor, context.empty(block, dtype))
        np.add(y, offset, y)

        def backward(dy: Array) -> Array:
            if many > 1:
                dy = dy.reshape(block)
            dx: Array = np.multiply(dy, factor, context.empty(block, dtype))
            if not training:  # μ and σ² are constants
                return dx.reshape(shape)
            product = np.multiply(dy, xc, context.empty(block, dtype))
            sums_of = dy.reshape(shape), product.reshape(shape)
            if of is None:
                sum_dy, sum_dy_xc = context.sum(*sums_of, axes=self.axes)
            else:
                sum_dy, sum_dy_xc = context.sum(*sums_of, axes=self.axes, group=self.group)
            sum_dy_x_hat = np.multiply(rest, sum_dy)  # x̂ = (xc − rest)·inverse
            np.subtract(sum_dy_xc, sum_dy_x_hat, sum_dy_x_hat)
            np.multiply(sum_dy_x_hat, inverse, sum_dy_x_hat)
            if self.has_scale:
                context.gradient_total(self.gamma, sum_dy_x_hat if of is None else sum_dy_x_hat.sum(axis=0))
            if self.has_offset:
                context.gradient_total(self.beta, sum_dy if of is None else sum_dy.sum(axis=0))
            # dx = scale·(dy − Σdy/n − x̂·Σ(dy·x̂)/n) = scale·dy + slope·xc + constant
            by_count = np.multiply(scale, minus)
            slope = np.multiply(sum_dy_x_hat, inverse)
            np.multiply(slope, by_count, slope)
            constant = np.multiply(by_count, sum_dy, by_count)
            np.subtract(constant, np.multiply(slope, rest), constant)
            if of is not None:
                slope, constant = (_to_rows(c, of, shape, context) for c in (slope, constant))
            elif many > 1:
                slope, constant = (repeated(c, many, context) for c in (slope, constant))
            np.add(dx, np.multiply(xc, slope, product), dx)
            np.add(dx, constant, dx)
            return dx.reshape(shape)

        return y.reshape(shape), backward

    def _of_groups(self, x: Array, group: int, context: Context) -> tuple[Array, Array, Array]:
        """Returns −1/count, mean and variance of each group, and takes them in."""
        counts, mean, variance = context.moments(x, self.axes, group)
        if counts.any():
            self.running.observe_groups(counts, mean, variance, context)
        return (-1 / np.maximum(counts, 1)).astype(x.dtype)[:, None], mean, variance


def _to_rows(of_groups: Array, of: Array, shape: Shape, context: Context) -> Array:
    """Returns each row's own group's numbers: (groups, d) → (rows, 1, …, d)."""
    d = shape[-1]
    rows = context.empty((shape[0], d), of_groups.dtype)
    of_groups.take(of, axis=0, out=rows, mode="clip")  # "raise" would copy
    return rows.reshape(shape[0], *[1] * (len(shape) - 2), d)
