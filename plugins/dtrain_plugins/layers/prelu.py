from __future__ import annotations

from math import prod
from typing import Literal

import numpy as np

from dtrain import Array, Backward, Context, Initializer, Layer, Maker, Shape, Span, Stream

_BOOL = np.dtype(np.bool_)


class Prelu(Layer):
    """y = x where x > 0, a·x elsewhere, with a learned slope a; the derivative at 0 is a.

    x: (rows, …, d) → y: the same shape. a: (d,) or (1,), role "scale": weight decay, which would pull it
    towards relu, and regularizers of weights leave it alone. da = Σ dy·x where x ≤ 0.

    per: "channel" (default): a slope for each place of the last dimension; "layer": one for all. slope: of all
    at the start, any number. Raises ValueError for samples without a dimension, per channel.

    He, Zhang, Ren & Sun, "Delving deep into rectifiers: surpassing human-level performance on ImageNet
    classification", 2015.
    """

    examples = [{}, {"per": "layer"}, {"slope": 0.5, "input": (2, 3)}, {"per": "layer", "input": (2, 3)}]

    def __init__(self, per: Literal["channel", "layer"] = "channel", slope: float = 0.25) -> None:
        self.per, self.start = per, slope

    def build(self, shape: Shape, make: Maker) -> Shape:
        if not shape and self.per == "channel":
            raise ValueError(
                'prelu per channel takes samples of at least one dimension, got (); or per = "layer"'
            )
        count = shape[-1] if self.per == "channel" else 1
        self.block = (prod(shape) // count, count)
        self.slope = make.parameter("slope", (count,), _Start(self.start), role="scale")
        return shape

    def output_span(self, taken: Span | None) -> Span | None:
        return taken if taken is not None and taken.low >= 0 else Span()

    def forward(self, x: Array, context: Context) -> tuple[Array, Backward]:
        shape, dtype = x.shape, x.dtype
        positive = context.empty(shape, dtype)  # np.where takes ten times as long where signs are mixed
        np.copyto(positive, np.greater(x.real, 0, context.empty(shape, _BOOL)))
        negative = np.subtract(1, positive, context.empty(shape, dtype))
        factor = np.multiply(negative, self.slope.value, context.empty(shape, dtype))
        factor += positive

        def backward(dy: Array) -> Array:
            product = np.multiply(x, negative, context.empty(shape, dtype))
            product *= dy
            block = product.reshape(len(x), *self.block)
            context.gradient(self.slope, lambda rows, out: np.sum(block[rows], axis=(0, 1), out=out))
            return np.multiply(dy, factor, context.empty(shape, dtype))

        return np.multiply(x, factor, context.empty(shape, dtype)), backward


class _Start(Initializer):
    def __init__(self, value: float) -> None:
        self.value = value

    def __call__(self, shape: Shape, fans: tuple[int, int], random: Stream) -> Array:
        return np.full(shape, self.value, np.float64)
