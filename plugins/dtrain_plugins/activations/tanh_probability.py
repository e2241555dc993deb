from __future__ import annotations

import math

from dtrain import Array, Span

from .elementwise import Curve, Elementwise, decay, either


class TanhProbability(Elementwise):
    """y = (1 + tanh x)/2 = σ(2x), the probability of class 1; dx = dy·2·y·(1 − y).

    x: (rows, …) → y: the same shape, in [0, 1], precise also near 0: from t = e^(−2|x|), y is t/(1 + t) on the
    left and 1/(1 + t) on the right. For a head of two classes, beside `sigmoid`.
    """

    def output_span(self, taken: Span | None) -> Span | None:
        return (taken or Span()).image(lambda x: 0.5 + 0.5 * math.tanh(x))

    def curve(self, x: Array) -> Curve:
        t = decay(x)
        t *= t
        positive = x.real > 0
        y = either(positive, 1, t) / (1 + t)
        return y, lambda: 2 * t / ((1 + t) * (1 + t))
