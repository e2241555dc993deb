from __future__ import annotations

from bisect import bisect_right
from itertools import pairwise

from dtrain import Schedule

from ..ranges import NotNegative


class Piecewise(Schedule):
    """A constant factor between any two boundaries: factors[i] where boundaries[i−1] ≤ t < boundaries[i].

    t: updates (or epochs, `unit`) done. boundaries: whole numbers ≥ 1, rising, counted like t; there may be
    none. factors: ≥ 0, one more than boundaries, each relative to the option's first value. Raises ValueError
    otherwise.
    """

    examples = [{"boundaries": [5, 10], "factors": [1.0, 0.1, 0.01]}, {"boundaries": [], "factors": [0.5]}]

    def __init__(self, boundaries: list[int], factors: list[NotNegative]) -> None:
        if len(factors) != len(boundaries) + 1:
            raise ValueError(
                f"factors must be one more than boundaries, {len(boundaries) + 1}, got {len(factors)}"
            )
        if any(a >= b for a, b in pairwise([0, *boundaries])):
            raise ValueError(f"boundaries must rise, from 1 on, got {boundaries}")
        self.boundaries, self.factors = boundaries, factors

    def __call__(self, step: int, steps: int, epoch: float) -> float:
        return float(self.factors[bisect_right(self.boundaries, step)])
