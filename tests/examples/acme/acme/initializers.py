"""An initializer."""

from math import sqrt

from dtrain import Initializer


class Triangular(Initializer):
    """The triangular distribution on (−w, w), of variance w²/6 = gain/n_in. gain: > 0."""

    examples = [{}, {"gain": 2.0}]

    def __init__(self, gain: float = 1.0):
        if gain <= 0:
            raise ValueError(f"gain must be positive, got {gain}")
        self.gain = gain

    def __call__(self, shape, fans, random):
        half = sqrt(6 * self.gain / fans[0]) / 2
        return random.uniform(shape, -half, half) + random.uniform(shape, -half, half)
