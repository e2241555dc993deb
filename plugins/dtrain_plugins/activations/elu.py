from __future__ import annotations

import math

import numpy as np

from dtrain import Array, Span

from ..ranges import Positive
from .elementwise import Curve, Elementwise, either


class Elu(Elementwise):
    """y = x where x > 0, α·(eˣ − 1) elsewhere; the derivative at 0 is α. x: (rows, …) → y: the same shape.

    alpha: α, −1 times the limit of y far left, > 0; otherwise a ValueError.

    Clevert, Unterthiner & Hochreiter, "Fast and accurate deep network learning by exponential linear units
    (ELUs)", 2016.
    """

    examples = [{}, {"alpha": 0.5}]
    scale = 1.0

    def __init__(self, alpha: Positive = 1.0) -> None:
        self.alpha = alpha

    def output_span(self, taken: Span | None) -> Span | None:
        if self.scale == 1:
            return (taken or Span()).rectified(lambda x: self.alpha * math.expm1(x))
        return (taken or Span()).image(lambda x: self.scale * (x if x > 0 else self.alpha * math.expm1(x)))

    def curve(self, x: Array) -> Curve:
        positive = x.real > 0
        below = either(positive, 0, x)
        left, right = self.scale * self.alpha, self.scale
        y = either(positive, right * x if right != 1 else x, left * np.expm1(below))
        return y, lambda: either(positive, right, left * np.exp(below))
