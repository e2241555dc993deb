from __future__ import annotations

from math import sqrt

from dtrain import Array, Initializer, Shape, Stream


class FanInUniform(Initializer):
    """U[±1/√n_in], variance 1/(3·n_in): too small for deep nets, kept for the comparison.

    The "commonly used heuristic" of Glorot & Bengio, "Understanding the difficulty of training deep
    feedforward neural networks", 2010.
    """

    def __call__(self, shape: Shape, fans: tuple[int, int], random: Stream) -> Array:
        limit = 1 / sqrt(fans[0])
        return random.uniform(shape, -limit, limit)
