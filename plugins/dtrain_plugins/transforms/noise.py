from __future__ import annotations

from dtrain import Array, Context, Transform

from ..ranges import NotNegative


class Noise(Transform):
    """Adds N(0, std²) to each number of a sample: x + std·n.

    x: (rows, …), images or tables. The noise is a function of the seed, the epoch, the sample's place in it and
    the number's place in the sample: the same on any number of ranks.

    std: in units of x, ≥ 0; otherwise a ValueError.

    Bishop, "Training with noise is equivalent to Tikhonov regularization", 1995.
    """

    examples = [{}, {"std": 1.0}]

    def __init__(self, std: NotNegative = 0.1) -> None:
        self.std = std

    def forward(self, x: Array, y: Array | None, context: Context) -> tuple[Array, Array | None]:
        out = context.normal(x.shape, x.dtype)
        out *= self.std
        out += x
        return out, y
