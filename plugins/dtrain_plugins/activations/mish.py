from __future__ import annotations

from dtrain import Array

from .elementwise import Curve, Dipping, decay, either, logistic


class Mish(Dipping):
    """y = x·w, w = tanh(log(1 + eˣ)); dx = dy·(w + x·(1 − w²)·σ(x)). x: (rows, …) → y: the same shape.

    w is computed from t = e^(−|x|), which cannot overflow: (1 + 2t)/(1 + 2t + 2t²) for x > 0,
    (2t + t²)/(2 + 2t + t²) elsewhere.

    Misra, "Mish: a self regularized non-monotonic activation function", 2019.
    """

    least = -0.31

    def curve(self, x: Array) -> Curve:
        t = decay(x)
        positive = x.real > 0
        square = t * t
        above = either(positive, 1, square) + 2 * t
        w = above / (above + 2 * either(~positive, 1, square))
        return x * w, lambda: w + x * (1 - w * w) * logistic(x)
