from __future__ import annotations

import numpy as np

from dtrain import Array, Span

from ..ranges import Share
from .elementwise import Curve, Elementwise


class LeakyRelu(Elementwise):
    """y = x where x > 0, slope·x elsewhere; the derivative at 0 is the slope. x: (rows, …) → y: the same shape.

    slope: of the negative side, in [0, 1]; otherwise a ValueError.

    Maas, Hannun & Ng, "Rectifier nonlinearities improve neural network acoustic models", 2013.
    """

    examples = [{}, {"slope": 0.3}]

    def __init__(self, slope: Share = 0.01) -> None:
        self.slope = slope

    def output_span(self, taken: Span | None) -> Span | None:
        return (taken or Span()).rectified(lambda x: self.slope * x if self.slope else 0.0)

    def curve(self, x: Array) -> Curve:
        factor = np.maximum(x.real > 0, x.real.dtype.type(self.slope)).astype(x.dtype, copy=False)
        return x * factor, lambda: factor
