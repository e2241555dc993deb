from __future__ import annotations

from math import floor
from typing import Literal

from dtrain import Schedule

from ..ranges import AboveZero, AtLeastOne, Count


class Cyclic(Schedule):
    """Up and down along triangles, from 1 to `ratio` and back: 1 + (ratio − 1)·max(0, 1 − x)·scale.

    c = ⌊1 + t/(2s)⌋ counts cycles from 1, x = |t/s − 2c + 1| falls from 1 to 0 and rises to 1 in each. t: updates
    (or epochs, `unit`) done. The option's first value is the lower end of the cycle.

    half_cycle: s ≥ 1, counted like t; the paper takes 2 to 10 epochs. ratio: the upper end over the lower one,
    ≥ 1. mode: "triangular": scale 1; "triangular2": half the height each cycle, scale 2^(1−c); "exp_range":
    scale gamma^t. gamma: in (0, 1], of "exp_range" alone. Raises ValueError for an option out of range.

    Smith, "Cyclical learning rates for training neural networks", 2015.
    """

    examples = [{"half_cycle": 4}, {"half_cycle": 3, "ratio": 10.0, "mode": "exp_range", "gamma": 0.9}]

    def __init__(
        self,
        half_cycle: Count,
        ratio: AtLeastOne = 4.0,
        mode: Literal["triangular", "triangular2", "exp_range"] = "triangular",
        gamma: AboveZero = 0.99994,
    ) -> None:
        self.half_cycle, self.ratio, self.mode, self.gamma = half_cycle, ratio, mode, gamma

    def __call__(self, step: int, steps: int, epoch: float) -> float:
        cycle = floor(1 + step / (2 * self.half_cycle))
        x = abs(step / self.half_cycle - 2 * cycle + 1)
        if self.mode == "triangular":
            scale = 1.0
        elif self.mode == "triangular2":
            scale = 2.0 ** (1 - cycle)
        else:
            scale = self.gamma**step
        return 1 + (self.ratio - 1) * max(0.0, 1 - x) * scale
