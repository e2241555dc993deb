"""Two layers: one with parameters, one that needs the rows of all ranks."""

import numpy as np

from dtrain import Layer


class ScaleShift(Layer):
    """y = a·x + b, a factor and a shift for each feature.

    x: (rows, …, d) → y: the same shape. a: (d,), one at the start. b: (d,), zero at the start.
    """

    examples = [{}, {"input": (2, 3)}]

    def build(self, shape, make):
        if not shape:
            raise ValueError("scale_shift takes samples of at least one dimension, got ()")
        self.a = make.parameter("a", shape[-1:], "ones", role="scale")
        self.b = make.parameter("b", shape[-1:], "zeros", role="bias")
        return shape

    def forward(self, x, context):
        y = x * self.a.value + self.b.value
        places = tuple(range(x.ndim - 1))

        def backward(dy):
            # `of` is called once a shard: what it sums are the rows it is given, never all that a rank holds.
            context.gradient(self.a, lambda rows, out: np.sum(x[rows] * dy[rows], axis=places, out=out))
            context.gradient(self.b, lambda rows, out: np.sum(dy[rows], axis=places, out=out))
            return dy * self.a.value

        return y, backward


class Centre(Layer):
    """y = x − μ, μ the mean of each feature over the global batch, on all ranks; in inference a running mean.

    x: (rows, …) → y: the same shape. momentum: weight of the new batch in the running mean, (0, 1].
    The mean depends on every row, so backward has a mean of its own, dx = dy − mean(dy): an exchange each.
    """

    examples = [{}, {"momentum": 0.5, "input": (2, 3)}]

    def __init__(self, momentum: float = 0.1):
        if not 0 < momentum <= 1:
            raise ValueError(f"momentum must be in (0, 1], got {momentum}")
        self.momentum = momentum

    def build(self, shape, make):
        self.mean = make.state("mean", shape)
        return shape

    def forward(self, x, context):
        if not context.training:
            return x - self.mean.value.astype(x.dtype), lambda dy: dy
        count = max(context.rows, 1)  # the rows of all ranks; this one may hold none
        mean = context.sum(x) / count
        if context.rows:
            old = self.mean.value
            context.update(self.mean, old + self.momentum * (mean.real - old))

        def backward(dy):
            return dy - context.sum(dy) / count

        return x - mean, backward
