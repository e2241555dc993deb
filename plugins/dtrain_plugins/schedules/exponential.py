from __future__ import annotations

from math import exp

from dtrain import Schedule

from ..ranges import Positive


class Exponential(Schedule):
    """Falls by the factor e in every `time`: e^(−t/time).

    t: updates (or epochs, `unit`) done. time: > 0, counted like t; by default the run's length T, so that the
    run ends at 1/e ≈ 0.37. The factor ½ every h is time = h/ln 2. Raises ValueError for a time out of range.
    """

    examples = [{}, {"time": 5.0}]

    def __init__(self, time: Positive | None = None) -> None:
        self.time = time

    def __call__(self, step: int, steps: int, epoch: float) -> float:
        return exp(-step / (max(steps, 1) if self.time is None else self.time))
