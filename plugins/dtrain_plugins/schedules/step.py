from __future__ import annotations

from dtrain import Schedule

from ..ranges import AboveZero, Count


class Step(Schedule):
    """Multiplies by `factor` after every `every` updates: factor^⌊t/every⌋.

    t: updates (or epochs, `unit`) done. every: ≥ 1, counted like t. factor: in (0, 1], 0.1 by default.
    Raises ValueError for an option out of range.
    """

    examples = [{"every": 5}, {"every": 1, "factor": 0.5}]

    def __init__(self, every: Count, factor: AboveZero = 0.1) -> None:
        self.every, self.factor = every, factor

    def __call__(self, step: int, steps: int, epoch: float) -> float:
        return float(self.factor ** (step // self.every))
