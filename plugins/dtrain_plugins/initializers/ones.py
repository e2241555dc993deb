from __future__ import annotations

import numpy as np

from dtrain import Array, Initializer, Shape, Stream


class Ones(Initializer):
    """All elements 1: for scales."""

    def __call__(self, shape: Shape, fans: tuple[int, int], random: Stream) -> Array:
        return np.ones(shape)
