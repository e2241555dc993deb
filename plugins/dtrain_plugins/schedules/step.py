from __future__ import annotations

from dtrain import Schedule

from ..ranges import above_zero, at_least_one


class Step(Schedule):
    """Multiplies by `factor` after every `every` updates: factor^⌊t/every⌋.

    t: updates (or epochs, `unit`) done. every: ≥ 1, counted like t. factor: in (0, 1], 0.1 by default.
    Raises ValueError for an option out of range.
    """

    examples = [{"every": 5}, {"every": 1, "factor": 0.5}]

    def __init__(self, every: int, factor: float = 0.1) -> None:
        at_least_one(every=every)
        above_zero(factor=factor)
        self.every, self.factor = every, factor

    def __call__(self, step: int, steps: int, epoch: float) -> float:
        return float(self.factor ** (step // self.every))
