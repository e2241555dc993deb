from __future__ import annotations

import numpy as np

from dtrain import Array, Backward, Context, Layer, Maker, Shape, Span


class Transpose(Layer):
    """Puts the axes of each sample into another order: y[r, i₀, …, iₙ₋₁] = x[r, j], where j[axes[k]] = iₖ.

    x: (rows, s₀, …, sₙ₋₁) → y: (rows, s[axes[0]], …, s[axes[n−1]]); dx = dy with the axes back in their places.

    axes: which axis of the sample comes first, second, …: each of 0 … n−1 once, the rows not counted, as of
    numpy.transpose for one sample. [1, 2, 0] makes images with the channels last, (H, W, C), of (C, H, W), as Keras'
    convolutions and the ones here take them; [2, 0, 1] is the way back. Raises ValueError for axes that are not such an
    order, and for a sample with another number of axes. `reshape` does not move numbers: it would mix channels and
    places.
    """

    aliases = ("Permute",)
    examples = [{"axes": [1, 2, 0], "input": (2, 3, 4)}, {"axes": [1, 0], "input": (3, 2)}]

    def __init__(self, axes: tuple[int, ...]) -> None:
        if sorted(axes) != list(range(len(axes))):
            raise ValueError(f"axes takes each of 0 … n−1 once, such as [1, 2, 0], got {list(axes)}")
        self.axes = axes
        self.forth = (0, *(axis + 1 for axis in axes))
        self.back = tuple(self.forth.index(axis) for axis in range(len(self.forth)))

    def build(self, shape: Shape, make: Maker) -> Shape:
        if len(shape) != len(self.axes):
            raise ValueError(
                f"transpose has {len(self.axes)} axes, {list(self.axes)}, got samples {shape} of {len(shape)}"
            )
        return tuple(shape[axis] for axis in self.axes)

    def output_span(self, taken: Span | None) -> Span | None:
        keeps_last = self.axes[-1:] == (len(self.axes) - 1,)
        return taken if taken is None or keeps_last else taken.bounds

    def forward(self, x: Array, context: Context) -> tuple[Array, Backward]:
        return _moved(x, self.forth, context), lambda dy: _moved(dy, self.back, context)


def _moved(x: Array, axes: Shape, context: Context) -> Array:
    view = x.transpose(axes)
    y = context.empty(view.shape, x.dtype)
    np.copyto(y, view)
    return y
