from __future__ import annotations

import numpy as np

from dtrain import Array, Initializer, Shape, Stream

from ..ranges import NotNegative
from .quantile import normal_quantile

_BELOW = 0.022750131948179207
"""Φ(−2): what is cut off on each side."""


class TruncatedNormal(Initializer):
    """N(mean, std²) between mean − 2·std and mean + 2·std, for any fans.

    mean: any number. std: of the normal distribution before the cut, ≥ 0; otherwise a ValueError. The cut
    leaves a standard deviation of 0.87963·std, which is not corrected (nor is Keras's `TruncatedNormal`).

    One uniform number an element goes through the inverse distribution function, mean + std·Φ⁻¹(p) with p of
    (Φ(−2), Φ(2)): no number is drawn again.
    """

    examples = [{}, {"mean": 1.0, "std": 0.5}]

    def __init__(self, mean: float = 0.0, std: NotNegative = 0.05) -> None:
        self.mean, self.std = mean, std

    def __call__(self, shape: Shape, fans: tuple[int, int], random: Stream) -> Array:
        z = normal_quantile(random.uniform(shape, _BELOW, 1 - _BELOW))
        return self.mean + self.std * np.clip(z, -2, 2)  # rounding may pass the ends
