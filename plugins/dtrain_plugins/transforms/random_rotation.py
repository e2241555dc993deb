from __future__ import annotations

import numpy as np

from dtrain import Array, Context, Transform

from .images import check, warp


class RandomRotation(Transform):
    """Turns each image about its centre by an angle of U[±degrees], bilinear between pixels.

    x: (rows, H, W) or (rows, H, W, C). Positive angles turn counterclockwise. The angle is a function of the
    seed, the epoch and the sample's place in it: the same on any number of ranks.

    degrees: in [0, 180]. fill: what is beyond the edge, in units of x; pixels near it are mixed with it. Raises
    ValueError for degrees out of range, and ConfigError for samples that are no images.
    """

    examples = [{"input": (5, 6)}, {"degrees": 180.0, "fill": 0.5, "input": (5, 6, 3)}]

    def __init__(self, degrees: float = 10.0, fill: float = 0.0) -> None:
        if not 0 <= degrees <= 180:
            raise ValueError(f"degrees must be in [0, 180], got {degrees}")
        self.degrees, self.fill = degrees, fill

    def forward(self, x: Array, y: Array | None, context: Context) -> tuple[Array, Array | None]:
        check(x, "random_rotation")
        angle = np.deg2rad((2 * context.uniform((len(x),), np.float64) - 1) * self.degrees)
        cos, sin = np.cos(angle), np.sin(angle)
        return warp(x, (cos, sin, -sin, cos), self.fill, context), y
