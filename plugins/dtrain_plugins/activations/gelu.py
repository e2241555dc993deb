from __future__ import annotations

from math import pi, sqrt
from typing import Literal

import numpy as np

from dtrain import Array

from .bell import normal_cdf
from .elementwise import Curve, Dipping, either, logistic


class Gelu(Dipping):
    """y = x·Φ(x), Φ the distribution function of N(0, 1); dx = dy·(Φ(x) + x·φ(x)).

    x: (rows, …) → y: the same shape. approximate: "none" (default): Φ by its error function, to all digits of
    the dtype but the last, by Weideman's series; "tanh": Φ ≈ ½·(1 + tanh(√(2/π)·(x + 0.044715·x³))), which
    is off by up to 5e-4 in y and cheaper.

    Hendrycks & Gimpel, "Gaussian error linear units (GELUs)", 2016.
    """

    examples = [{}, {"approximate": "tanh"}]

    def __init__(self, approximate: Literal["none", "tanh"] = "none") -> None:
        self.approximate = approximate

    least = -0.18

    def curve(self, x: Array) -> Curve:
        return _by_tanh(x) if self.approximate == "tanh" else _exact(x)


def _exact(x: Array) -> Curve:
    cdf = normal_cdf(x)

    def slope() -> Array:
        with np.errstate(over="ignore"):  # e^(−∞) = 0 is right
            density = np.exp(-0.5 * x * x)
        density *= 1 / sqrt(2 * pi)
        density *= x
        density += cdf
        return density

    return x * cdf, slope


def _by_tanh(x: Array) -> Curve:
    # ½·(1 + tanh u) = σ(2u), precise on the left; beyond ±30 it is 0 or 1, and x³ might overflow.
    near = either(np.abs(x.real) > 30, 30 * np.sign(x), x)
    square = near * near
    a, b = 2 * sqrt(2 / pi), 0.044715
    cdf = logistic(a * near * (1 + b * square))

    def slope() -> Array:
        return cdf + near * a * (1 + 3 * b * square) * cdf * (1 - cdf)

    return x * cdf, slope
