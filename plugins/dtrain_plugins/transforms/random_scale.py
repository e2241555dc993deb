from __future__ import annotations

import numpy as np

from dtrain import Array, Context, Transform

from .images import check, warp


class RandomScale(Transform):
    """Enlarges each image about its centre by a factor of U[low, high], bilinear between pixels.

    x: (rows, H, W) or (rows, H, W, C) → the same shape: what grows over the edge is lost, and beside what
    shrinks there is `fill`. The factor, one for both directions, is a function of the seed, the epoch and the
    sample's place in it: the same on any number of ranks.

    low, high: 0 < low ≤ high; below 1 shrinks. fill: in units of x; pixels near the edge are mixed with it.
    Raises ValueError for factors out of order, and ConfigError for samples that are no images.
    """

    examples = [{"input": (5, 6)}, {"low": 0.5, "high": 2.0, "fill": 0.5, "input": (5, 6, 3)}]

    def __init__(self, low: float = 0.9, high: float = 1.1, fill: float = 0.0) -> None:
        if not 0 < low <= high:
            raise ValueError(f"low and high must be 0 < low ≤ high, got {low} and {high}")
        self.low, self.high, self.fill = low, high, fill

    def forward(self, x: Array, y: Array | None, context: Context) -> tuple[Array, Array | None]:
        check(x, "random_scale")
        factor = self.low + (self.high - self.low) * context.uniform((len(x),), np.float64)
        shrink, nothing = 1 / factor, np.zeros(len(x))
        return warp(x, (shrink, nothing, nothing, shrink), self.fill, context), y
