from __future__ import annotations

import numpy as np

from dtrain import Array, Backward, Context, Layer, Maker, Shape, Span

from .chain import Chain, total


class Residual(Layer):
    """A skip connection around layers: y = x + f(x), f the layers one after another.

    x: (rows, …) → y: the same shape, which f must keep. dx = dy + f′(dy). For a shortcut with a layer of its
    own, to another shape, take `parallel` with join = "sum".

    layers: at least one, a list of names or tables. Raises ValueError for none, for layers that change the
    shape, and for layers that name `inputs`.

    He, Zhang, Ren & Sun, "Deep residual learning for image recognition", 2016.
    """

    examples = [
        {"layers": ["tanh"], "input": (2, 3)},
        {"layers": [{"name": "dense", "units": 5}, "dropout", {"name": "dense", "units": 8}]},
    ]

    def __init__(self, layers: list[Layer]) -> None:
        if not layers:
            raise ValueError("residual needs at least one layer, got []")
        self.chain = Chain(layers)

    def build(self, shape: Shape, make: Maker) -> Shape:
        out = self.chain.build(shape, make)
        if out != shape:
            raise ValueError(f"residual adds its input, {shape} a sample, to what its layers give, got {out}")
        return shape

    def output_span(self, taken: Span | None) -> Span | None:
        return total([taken, self.chain.output_span(taken)])

    def forward(self, x: Array, context: Context) -> tuple[Array, Backward]:
        y, inner = self.chain.forward(x, context)

        def backward(dy: Array) -> Array:
            dx = inner(dy)
            assert dx is not None, "a chain gives its dx"
            return np.add(dy, dx, out=context.empty(x.shape, x.dtype))

        return np.add(x, y, out=context.empty(x.shape, x.dtype)), backward
