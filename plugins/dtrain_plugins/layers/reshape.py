from __future__ import annotations

from math import prod

from dtrain import Array, Backward, Context, Layer, Maker, Shape, Span


class Reshape(Layer):
    """Gives each sample another shape, last dimension fastest: (rows, …) → (rows, *shape).

    shape: of a sample; one dimension may be −1, which is what is left for it. Raises ValueError for dimensions
    that are no sizes, and for a sample with another number of elements.
    """

    examples = [{"shape": (2, 4)}, {"shape": (4, -1), "input": (2, 3, 2)}]

    def __init__(self, shape: tuple[int, ...]) -> None:
        if any(n < 1 and n != -1 for n in shape) or shape.count(-1) > 1:
            raise ValueError(f"shape takes sizes of at least 1, and -1 at most once, got {list(shape)}")
        self.shape = shape

    def build(self, shape: Shape, make: Maker) -> Shape:
        known, size = prod(n for n in self.shape if n != -1), prod(shape)
        self.out = tuple(size // known if n == -1 else n for n in self.shape)
        if prod(self.out) != size:
            raise ValueError(f"reshape cannot make {list(self.shape)} of a sample {shape} of {size} elements")
        self.keeps_last = self.out[-1:] == shape[-1:]
        return self.out

    def output_span(self, taken: Span | None) -> Span | None:
        return taken if taken is None or self.keeps_last else taken.bounds

    def forward(self, x: Array, context: Context) -> tuple[Array, Backward]:
        return x.reshape(len(x), *self.out), lambda dy: dy.reshape(x.shape)
