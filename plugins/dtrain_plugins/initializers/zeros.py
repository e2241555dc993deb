from __future__ import annotations

import numpy as np

from dtrain import Array, Initializer, Shape, Stream


class Zeros(Initializer):
    """All elements 0: for biases. Weights of a hidden layer that start at 0 stay equal (symmetry)."""

    def __call__(self, shape: Shape, fans: tuple[int, int], random: Stream) -> Array:
        return np.zeros(shape)
