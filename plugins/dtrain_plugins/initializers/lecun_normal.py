from __future__ import annotations

from math import sqrt

from dtrain import Array, Initializer, Shape, Stream


class LecunNormal(Initializer):
    """N(0, 1/n_in), not truncated: for selu and linear layers.

    LeCun, Bottou, Orr & Müller, "Efficient BackProp", 1998; Klambauer, Unterthiner, Mayr & Hochreiter,
    "Self-normalizing neural networks", 2017.
    """

    def __call__(self, shape: Shape, fans: tuple[int, int], random: Stream) -> Array:
        return random.normal(shape, 0.0, sqrt(1 / fans[0]))
