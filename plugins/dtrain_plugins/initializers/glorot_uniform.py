from __future__ import annotations

from math import sqrt

from dtrain import Array, Initializer, Shape, Stream


class GlorotUniform(Initializer):
    """U[±√(6/(n_in + n_out))], variance 2/(n_in + n_out): for tanh and linear layers.

    Glorot & Bengio, "Understanding the difficulty of training deep feedforward neural networks", 2010.
    """

    aliases = ("xavier_uniform",)

    def __call__(self, shape: Shape, fans: tuple[int, int], random: Stream) -> Array:
        limit = sqrt(6 / sum(fans))
        return random.uniform(shape, -limit, limit)
