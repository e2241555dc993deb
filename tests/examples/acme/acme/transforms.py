"""A transform."""

from dtrain import Transform


class Jitter(Transform):
    """x + N(0, std²), drawn anew for every sample and epoch, the same on any number of ranks. std: ≥ 0."""

    examples = [{}, {"std": 1.0}]

    def __init__(self, std: float = 0.1):
        if std < 0:
            raise ValueError(f"std must be at least 0, got {std}")
        self.std = std

    def forward(self, x, y, context):
        return x + self.std * context.normal(x.shape, x.dtype), y
