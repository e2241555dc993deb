from __future__ import annotations

from math import sqrt

from dtrain import Array, Initializer, Shape, Stream


class LecunUniform(Initializer):
    """U[±√(3/n_in)], variance 1/n_in: keeps the variance through linear layers.

    LeCun, Bottou, Orr & Müller, "Efficient BackProp", 1998.
    """

    def __call__(self, shape: Shape, fans: tuple[int, int], random: Stream) -> Array:
        limit = sqrt(3 / fans[0])
        return random.uniform(shape, -limit, limit)
