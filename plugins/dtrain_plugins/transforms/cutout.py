from __future__ import annotations

import numpy as np

from dtrain import Array, Context, Transform

from ..ranges import Count
from .images import check, whole


class Cutout(Transform):
    """Covers a square of each image with `fill`, its centre at any pixel with equal chances.

    x: (rows, H, W) or (rows, H, W, C). A square that reaches over the edge is cut there. It covers `size` pixels
    each way from size//2 above and left of the centre. Its place is a function of the seed, the epoch and the
    sample's place in it: the same on any number of ranks.

    size: pixels, ≥ 1. fill: in units of x. Raises ValueError for a size below 1, and ConfigError for samples
    that are no images.

    DeVries & Taylor, "Improved regularization of convolutional neural networks with cutout", 2017.
    """

    examples = [{"input": (9, 7)}, {"size": 3, "fill": 0.5, "input": (5, 6, 3)}]

    def __init__(self, size: Count = 8, fill: float = 0.0) -> None:
        self.size, self.fill = size, fill

    def forward(self, x: Array, y: Array | None, context: Context) -> tuple[Array, Array | None]:
        check(x, "cutout")
        u = context.uniform((len(x), 2), np.float64)
        covered = [self._covered(whole(u[:, i], n), n) for i, n in enumerate(x.shape[1:3])]
        out = context.empty(x.shape, x.dtype)
        np.copyto(out, x)
        out[covered[0][:, :, None] & covered[1][:, None, :]] = self.fill
        return out, y

    def _covered(self, centre: Array, count: int) -> Array:
        """Tells which of `count` lines of pixels a square covers: centre (rows,) → (rows, count)."""
        first = (centre - self.size // 2)[:, None]
        line = np.arange(count)
        return (line >= first) & (line < first + self.size)
