from __future__ import annotations

import math

import numpy as np

from dtrain import Array, Span

from .elementwise import Curve, Elementwise, decay, either, logistic


class Softplus(Elementwise):
    """y = log(1 + eˣ), computed as max(x, 0) + log(1 + e^(−|x|)), which cannot overflow; dx = dy·σ(x).

    x: (rows, …) → y: the same shape, > 0 until it is too small a number (PyTorch takes y = x above 20). It is
    also the limit of a sum of sigmoids, each shifted by one more.

    Dugas, Bengio, Bélisle, Nadeau & Garcia, "Incorporating second-order functional knowledge for better option
    pricing", 2001.
    """

    def output_span(self, taken: Span | None) -> Span | None:
        return (taken or Span()).image(lambda x: max(x, 0) + math.log1p(math.exp(-abs(x))))

    def curve(self, x: Array) -> Curve:
        y = np.log1p(decay(x))
        y += either(x.real < 0, 0, x)
        return y, lambda: logistic(x)
