from __future__ import annotations

from dtrain import Array, Initializer, Shape, Stream

from ..ranges import NotNegative


class Normal(Initializer):
    """N(mean, std²), not truncated, for any fans. mean: any number. std: ≥ 0; otherwise a ValueError."""

    examples = [{}, {"mean": 1.0, "std": 0.5}]

    def __init__(self, mean: float = 0.0, std: NotNegative = 0.05) -> None:
        self.mean, self.std = mean, std

    def __call__(self, shape: Shape, fans: tuple[int, int], random: Stream) -> Array:
        return random.normal(shape, self.mean, self.std)
