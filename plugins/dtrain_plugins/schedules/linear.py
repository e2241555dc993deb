from __future__ import annotations

from dtrain import Schedule

from ..ranges import Share


class Linear(Schedule):
    """From 1 down to `end` along a line: 1 − (1 − end)·t/T, η₀(1 − t/T) by default.

    t: updates (or epochs, `unit`) done. T: in all. end: the factor at t = T, in [0, 1]; the last update gets
    the factor of T − 1. Raises ValueError for an end outside.
    """

    examples = [{}, {"end": 0.1}]

    def __init__(self, end: Share = 0.0) -> None:
        self.end = end

    def __call__(self, step: int, steps: int, epoch: float) -> float:
        return 1 - (1 - self.end) * step / max(steps, 1)
