from __future__ import annotations

from math import sqrt

from dtrain import Array, Initializer, Shape, Stream


class GlorotNormal(Initializer):
    """N(0, 2/(n_in + n_out)), not truncated: for tanh and linear layers.

    Glorot & Bengio, "Understanding the difficulty of training deep feedforward neural networks", 2010.
    """

    aliases = ("xavier_normal",)

    def __call__(self, shape: Shape, fans: tuple[int, int], random: Stream) -> Array:
        return random.normal(shape, 0.0, sqrt(2 / sum(fans)))
