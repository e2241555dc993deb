from __future__ import annotations

from itertools import product

import numpy as np

from dtrain import Array, Backward, Context, Layer, Maker, Shape, Span

from .windows import check_grid, sizes


class Upsample2d(Layer):
    """Repeats each pixel of an image in both directions (the nearest neighbour).

    x: (rows, H, W, C) → y: (rows, H·down, W·right, C). dx adds up dy over the copies of a pixel.

    factor: how often, ≥ 1, one number or [down, right]. Raises ValueError for a factor below 1, and for samples
    that are no images.
    """

    examples = [{"input": (3, 2, 2)}, {"factor": [1, 3], "input": (2, 3, 1)}]

    def __init__(self, factor: int | tuple[int, int] = 2) -> None:
        self.down, self.right = sizes(factor, 2, "factor")

    def build(self, shape: Shape, make: Maker) -> Shape:
        check_grid(self, shape, 2, "upsample2d")
        height, width, channels = shape
        return (height * self.down, width * self.right, channels)

    def output_span(self, taken: Span | None) -> Span | None:
        return taken

    def forward(self, x: Array, context: Context) -> tuple[Array, Backward]:
        rows, height, width, channels = x.shape
        y = context.empty((rows, height * self.down, width * self.right, channels), x.dtype)
        copies = (rows, height, self.down, width, self.right, channels)
        np.copyto(y.reshape(copies), x[:, :, None, :, None])

        def backward(dy: Array) -> Array:
            dx = context.empty(x.shape, dy.dtype)
            dx.fill(0)
            parts = dy.reshape(copies)
            for i, j in product(range(self.down), range(self.right)):
                dx += parts[:, :, i, :, j]
            return dx

        return y, backward
