from __future__ import annotations

from math import cos, pi

from dtrain import Schedule

from ..ranges import AtLeastOne, Count, Share


class Cosine(Schedule):
    """From 1 down to `end` along half a cosine: end + (1 − end)·(1 + cos(πt/T))/2.

    t: updates (or epochs, `unit`) done. T: in all. end: the factor at t = T, in [0, 1]; the last update gets
    the factor of T − 1.

    cycle: with it, the factor restarts at 1 after so many updates (or epochs), ≥ 1; t and T are then of the
    cycle. By default there is one cycle, the run. growth: each cycle is so many times as long as the one before,
    ≥ 1. Raises ValueError for an option out of range, and for a growth without a cycle.

    Loshchilov & Hutter, "SGDR: stochastic gradient descent with warm restarts", 2017: `cycle` is their T₀,
    `growth` their T_mult.
    """

    examples = [{}, {"end": 0.1}, {"cycle": 4}, {"cycle": 3, "growth": 2.0, "end": 0.1}]

    def __init__(self, end: Share = 0.0, cycle: Count | None = None, growth: AtLeastOne = 1.0) -> None:
        if cycle is None and growth != 1:
            raise ValueError(
                f"growth is of cycles: set cycle, the length of the first, beside growth = {growth}"
            )
        self.end, self.cycle, self.growth = end, cycle, growth

    def __call__(self, step: int, steps: int, epoch: float) -> float:
        t, length = self._place(step, max(steps, 1))
        return self.end + (1 - self.end) * (1 + cos(pi * t / length)) / 2

    def _place(self, step: int, steps: int) -> tuple[float, float]:
        """Returns the place within the cycle, and the cycle's length."""
        if self.cycle is None:
            return step, steps
        if self.growth == 1:
            return step % self.cycle, self.cycle
        t, length = float(step), float(self.cycle)
        while t >= length:
            t, length = t - length, length * self.growth
        return t, length
