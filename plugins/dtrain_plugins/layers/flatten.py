from __future__ import annotations

from math import prod

from dtrain import Array, Backward, Context, Layer, Maker, Shape, Span


class Flatten(Layer):
    """Makes each sample a vector, last dimension fastest: (rows, a, b, …) → (rows, a·b·…)."""

    examples = [{"input": (2, 3, 4)}, {"input": (5,)}]

    def build(self, shape: Shape, make: Maker) -> Shape:
        self.keeps_last = shape[-1:] == (prod(shape),)
        return (prod(shape),)

    def output_span(self, taken: Span | None) -> Span | None:
        return taken if taken is None or self.keeps_last else taken.bounds

    def forward(self, x: Array, context: Context) -> tuple[Array, Backward]:
        def backward(dy: Array) -> Array:
            return dy.reshape(x.shape)

        return x.reshape(len(x), prod(x.shape[1:])), backward
