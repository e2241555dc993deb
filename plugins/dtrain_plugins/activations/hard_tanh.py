from __future__ import annotations

from dtrain import Array, Span

from .elementwise import Curve, Elementwise
from .ramp import ramp


class HardTanh(Elementwise):
    """y = min(max(x, −1), 1); the derivative is 1 inside, 0 at ±1 and beyond. x: (rows, …) → y: the same shape.

    Collobert, "Large scale machine learning", 2004.
    """

    def output_span(self, taken: Span | None) -> Span | None:
        if taken is not None and taken.low >= -1 and taken.high <= 1:
            return taken
        return (taken or Span()).image(lambda x: min(max(x, -1), 1))

    def curve(self, x: Array) -> Curve:
        return ramp(x, 1.0)
