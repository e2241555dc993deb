from __future__ import annotations

import numpy as np

from dtrain import Array, Initializer, Shape, Stream


class Constant(Initializer):
    """All elements one number. value: any, by default 0."""

    examples = [{}, {"value": -1.5}]

    def __init__(self, value: float = 0.0) -> None:
        self.value = value

    def __call__(self, shape: Shape, fans: tuple[int, int], random: Stream) -> Array:
        return np.full(shape, self.value, np.float64)
