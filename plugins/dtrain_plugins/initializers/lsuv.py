from __future__ import annotations

from math import sqrt

import numpy as np

from dtrain import Array, Context, Initializer, Shape, Stream

from ..ranges import Count, Positive
from .orthogonal import Orthogonal


class Lsuv(Initializer):
    """Layer-sequential unit variance: an orthogonal matrix, scaled until the layer's output has variance 1.

    The matrix is that of `orthogonal`, for conv kernels too. Then, layer after layer in the order of the
    network, the first global batch of the training set is run up to the layer's output y before its
    activation, and W ← W/√Var(y), until |Var(y) − 1| < tolerance. Var(y) is over all rows, places and
    features of y. The bias stays as it is. An output that does not vary at all is left so.

    tolerance: > 0. max_iterations: how often W is scaled at most, ≥ 1; once is enough where there is no bias.
    Raises ValueError for options out of range.

    Mishkin & Matas, "All you need is a good init", 2015. All layers are in inference: dropout is off, and a
    batch norm has its first statistics. With `accumulate`, the batch is the first micro-batch.
    """

    examples = [{}, {"tolerance": 0.01, "max_iterations": 3}]

    def __init__(self, tolerance: Positive = 0.1, max_iterations: Count = 10) -> None:
        self.tolerance, self.calibrations = tolerance, max_iterations
        self._start = Orthogonal()

    def __call__(self, shape: Shape, fans: tuple[int, int], random: Stream) -> Array:
        return self._start(shape, fans, random)

    def calibrate(self, y: Array, context: Context) -> float:
        wide = y.astype(np.float64)  # float32 could not hold the squares of tiny numbers
        _, _, spread = context.moments(wide, tuple(range(1, y.ndim)))
        variance = float(spread)
        if variance == 0 or abs(variance - 1) < self.tolerance:
            return 1.0
        return 1 / sqrt(variance)
