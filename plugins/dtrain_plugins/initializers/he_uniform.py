from __future__ import annotations

from math import sqrt

from dtrain import Array, Initializer, Shape, Stream


class HeUniform(Initializer):
    """U[±√(6/n_in)], variance 2/n_in: for relu layers.

    He, Zhang, Ren & Sun, "Delving deep into rectifiers: surpassing human-level performance on ImageNet
    classification", 2015.
    """

    aliases = ("kaiming_uniform",)

    def __call__(self, shape: Shape, fans: tuple[int, int], random: Stream) -> Array:
        limit = sqrt(6 / fans[0])
        return random.uniform(shape, -limit, limit)
