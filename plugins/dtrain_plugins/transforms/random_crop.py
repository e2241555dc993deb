from __future__ import annotations

from typing import Literal

import numpy as np

from dtrain import Array, Context, Transform

from ..ranges import Natural
from .images import by_rows, check, pad, whole, windows


class RandomCrop(Transform):
    """Pads each image on all sides and cuts a window of its first size out, anywhere in it with equal chances.

    x: (rows, H, W) or (rows, H, W, C) → the same shape, which the network was built for. The window is a
    function of the seed, the epoch and the sample's place in it: the same on any number of ranks.

    padding: pixels on each side, ≥ 0. mode: what is there: "constant" (`fill`), "reflect" (the image mirrored at
    its edge pixels) or "edge" (the edge pixels). fill: in units of x. Raises ValueError for a padding below 0,
    and ConfigError for samples that are no images.
    """

    examples = [
        {"input": (9, 7)},
        {"padding": 2, "mode": "reflect", "input": (5, 6, 3)},
        {"padding": 1, "mode": "edge", "input": (5, 6)},
        {"fill": 0.5, "input": (5, 6, 1)},
    ]

    def __init__(
        self,
        padding: Natural = 4,
        mode: Literal["constant", "reflect", "edge"] = "constant",
        fill: float = 0.0,
    ) -> None:
        self.padding, self.mode, self.fill = padding, mode, fill

    def forward(self, x: Array, y: Array | None, context: Context) -> tuple[Array, Array | None]:
        check(x, "random_crop")
        corner = whole(context.uniform((len(x), 2), np.float64), 2 * self.padding + 1)

        def cropped(images: Array, rows: slice) -> Array:
            padded = pad(images, self.padding, self.padding, self.mode, self.fill)
            return windows(padded, corner[rows, 0], corner[rows, 1], x.shape[1], x.shape[2])

        return by_rows(x, context, cropped), y
