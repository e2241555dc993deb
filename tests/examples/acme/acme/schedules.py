"""A schedule."""

from dtrain import Schedule


class InverseTime(Schedule):
    """1/(1 + decay·t), t: updates (or epochs) done. decay: ≥ 0."""

    examples = [{}, {"decay": 1.0}]

    def __init__(self, decay: float = 0.01):
        if decay < 0:
            raise ValueError(f"decay must be at least 0, got {decay}")
        self.decay = decay

    def __call__(self, step, steps, epoch):
        return 1 / (1 + self.decay * step)
