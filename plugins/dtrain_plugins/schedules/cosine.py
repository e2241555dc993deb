from __future__ import annotations

from math import cos, pi

from dtrain import Schedule


class Cosine(Schedule):
    """From 1 down to `end` along half a cosine: end + (1 − end)·(1 + cos(πt/T))/2.

    t: updates (or epochs, `unit`) done. T: in all. end: the factor at t = T, in [0, 1]; the last update gets
    the factor of T − 1. Raises ValueError for an end outside.

    Loshchilov & Hutter, "SGDR: stochastic gradient descent with warm restarts", 2017, without restarts.
    """

    examples = [{}, {"end": 0.1}]

    def __init__(self, end: float = 0.0) -> None:
        if not 0 <= end <= 1:
            raise ValueError(f"end must be in [0, 1], got {end}")
        self.end = end

    def __call__(self, step: int, steps: int, epoch: float) -> float:
        return self.end + (1 - self.end) * (1 + cos(pi * step / max(steps, 1))) / 2
