from __future__ import annotations

from dtrain import Schedule

from ..ranges import Positive, Share


class Polynomial(Schedule):
    """From 1 down to `end` along a power: end + (1 − end)·(1 − t/T)^power.

    t: updates (or epochs, `unit`) done. T: in all. power: > 0; 1 is `linear`, more falls faster at first and
    slower at last. end: the factor at t = T, in [0, 1]; the last update gets the factor of T − 1. Raises
    ValueError for an option out of range.
    """

    examples = [{}, {"power": 0.9, "end": 0.1}]

    def __init__(self, power: Positive = 2.0, end: Share = 0.0) -> None:
        self.power, self.end = power, end

    def __call__(self, step: int, steps: int, epoch: float) -> float:
        left: float = (1 - step / max(steps, 1)) ** self.power
        return self.end + (1 - self.end) * left
