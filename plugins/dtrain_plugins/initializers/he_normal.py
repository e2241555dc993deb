from __future__ import annotations

from math import sqrt

from dtrain import Array, Initializer, Shape, Stream


class HeNormal(Initializer):
    """N(0, 2/n_in), not truncated: for relu layers.

    He, Zhang, Ren & Sun, "Delving deep into rectifiers: surpassing human-level performance on ImageNet
    classification", 2015.
    """

    aliases = ("kaiming_normal",)

    def __call__(self, shape: Shape, fans: tuple[int, int], random: Stream) -> Array:
        return random.normal(shape, 0.0, sqrt(2 / fans[0]))
