from __future__ import annotations

import numpy as np

from dtrain import Array

from ..ranges import Positive
from .pointwise import Points, Pointwise


class Huber(Pointwise):
    """Huber's loss: a parabola near the target, a line far from it; the mean over a row's outputs.

    f(d) = ½·d² where |d| ≤ δ, δ·(|d| − ½·δ) elsewhere, d = y − target. y: (rows, …). target: numbers of the
    same shape, or (rows,) for a single output. values: (rows,). dy = min(max(d, −δ), δ)/outputs.

    delta: δ > 0, in units of the target.

    Raises ValueError for another delta.

    Huber, "Robust estimation of a location parameter", 1964.
    """

    aliases = ("SmoothL1Loss",)
    takes = ("number",)
    examples = [{"input": (3,), "target": "real"}, {"delta": 0.5, "input": (3,), "target": "real"}]

    def __init__(self, delta: Positive = 1.0) -> None:
        self.delta = delta

    def points(self, y: Array, target: Array) -> Points:
        d = y - target
        near = np.abs(d.real) <= self.delta
        cut = np.where(near, d, self.delta * np.sign(d.real))
        # float64: of float32, squares would reach half as far
        return np.multiply(cut, d - 0.5 * cut, dtype=np.result_type(d, np.float64)), lambda: cut
