from __future__ import annotations

from dtrain import Array

from .pointwise import Points, Pointwise, magnitude


class Mae(Pointwise):
    """Mean absolute error: a row's loss is the mean of |y − target| over its outputs.

    y: (rows, …). target: numbers of the same shape, or (rows,) for a single output. values: (rows,).
    dy = sign(y − target)/outputs, of y's shape; 0 where they are equal.

    Boscovich, "De litteraria expeditione per pontificiam ditionem", 1757.
    """

    aliases = ("L1Loss",)
    takes = ("number",)
    examples = [{"input": (3,), "target": "real"}]

    def points(self, y: Array, target: Array) -> Points:
        each, sign = magnitude(y - target)
        return each, lambda: sign
