from __future__ import annotations

from dtrain import Array, Initializer, Shape, Stream


class Uniform(Initializer):
    """U[low, high], for any fans. low: any number. high: at least low; otherwise a ValueError."""

    examples = [{}, {"low": 0.0, "high": 2.0}]

    def __init__(self, low: float = -0.05, high: float = 0.05) -> None:
        if high < low:
            raise ValueError(f"high must be at least low, {low}, got {high}")
        self.low, self.high = low, high

    def __call__(self, shape: Shape, fans: tuple[int, int], random: Stream) -> Array:
        return random.uniform(shape, self.low, self.high)
