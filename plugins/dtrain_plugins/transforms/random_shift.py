from __future__ import annotations

import numpy as np

from dtrain import Array, Context, Transform

from .images import by_rows, check, pad, whole, windows


class RandomShift(Transform):
    """Moves each image by whole pixels, evenly among all moves up to `vertical` and `horizontal` each way.

    x: (rows, H, W) or (rows, H, W, C). What comes in at the edges is `fill`. The move is a function of the
    seed, the epoch and the sample's place in it: the same on any number of ranks.

    vertical, horizontal: pixels, ≥ 0. fill: in units of x. Raises ValueError for moves below 0, and ConfigError
    for samples that are no images.
    """

    examples = [{"input": (5, 6)}, {"vertical": 0, "horizontal": 3, "fill": 0.5, "input": (5, 6, 3)}]

    def __init__(self, vertical: int = 2, horizontal: int = 2, fill: float = 0.0) -> None:
        if vertical < 0 or horizontal < 0:
            raise ValueError(f"vertical and horizontal must be at least 0, got {vertical} and {horizontal}")
        self.vertical, self.horizontal, self.fill = vertical, horizontal, fill

    def forward(self, x: Array, y: Array | None, context: Context) -> tuple[Array, Array | None]:
        check(x, "random_shift")
        u = context.uniform((len(x), 2), np.float64)
        top, left = whole(u[:, 0], 2 * self.vertical + 1), whole(u[:, 1], 2 * self.horizontal + 1)

        def shifted(images: Array, rows: slice) -> Array:
            padded = pad(images, self.vertical, self.horizontal, fill=self.fill)
            return windows(padded, top[rows], left[rows], x.shape[1], x.shape[2])

        return by_rows(x, context, shifted), y
