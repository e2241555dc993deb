from __future__ import annotations

from dtrain import Array, Backward, Context, Layer, Span

from ..ranges import NotNegative


class GaussianNoise(Layer):
    """Adds normal noise in training, and where predictions are drawn: y = x + std·n, n of N(0, 1).

    The identity in inference. dx = dy.

    x: (rows, …) → y: the same shape. The noise is a function of the seed, the layer, the epoch, the sample's
    place in the epoch and the unit: the same on any number of ranks, and in float32 and float64.

    std: of the noise, in units of x, ≥ 0; otherwise a ValueError.

    Bishop, "Training with noise is equivalent to Tikhonov regularization", 1995.
    """

    examples = [{}, {"std": 1.5, "input": (2, 3)}]

    def __init__(self, std: NotNegative = 0.1) -> None:
        self.std = std

    def output_span(self, taken: Span | None) -> Span | None:
        return Span() if self.std else taken

    def forward(self, x: Array, context: Context) -> tuple[Array, Backward]:
        if not context.sampling:
            return x, lambda dy: dy
        y = context.normal(x.shape).astype(x.dtype, copy=False)
        y *= self.std
        y += x
        return y, lambda dy: dy
