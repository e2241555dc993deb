from __future__ import annotations

from dtrain import Array, Span

from .elementwise import Curve, Elementwise
from .ramp import ramp


class HardSigmoid(Elementwise):
    """y = min(max(x/6 + ½, 0), 1); the derivative is 1/6 inside, 0 at ±3 and beyond.

    x: (rows, …) → y: the same shape, in [0, 1].

    Courbariaux, Bengio & David, "BinaryConnect: training deep neural networks with binary weights during
    propagations", 2015 (slope ½); Howard et al., "Searching for MobileNetV3", 2019 (slope 1/6, as here).
    """

    def output_span(self, taken: Span | None) -> Span | None:
        return (taken or Span()).image(lambda x: min(max(x / 6 + 0.5, 0), 1))

    def curve(self, x: Array) -> Curve:
        y, slope = ramp(x, 3.0)
        y += 3
        y /= 6
        return y, lambda: slope() / 6
