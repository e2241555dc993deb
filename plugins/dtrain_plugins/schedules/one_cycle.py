from __future__ import annotations

from math import cos, pi
from typing import Literal

from dtrain import Schedule

from ..ranges import Between, NotNegative


class OneCycle(Schedule):
    """One rise and one fall over the whole run: from `start` to 1 at t = rise·T, and on to `end` at t = T.

    The option's first value is the peak, so that `lr` says the greatest rate. t: updates (or epochs, `unit`)
    done. T: in all; the last update gets the factor of T − 1. start, end: factors ≥ 0; for a momentum, which
    goes the other way, they are above 1. rise: the share of the run before the peak, in (0, 1). shape: "cosine"
    (half a cosine each way) or "linear". Raises ValueError for an option out of range.

    Smith & Topin, "Super-convergence: very fast training of neural networks using large learning rates", 2018;
    the cosine, and the defaults, 1/25, 1/250000 and 0.3, as in fastai and PyTorch.
    """

    examples = [{}, {"start": 1.2, "end": 1.1, "rise": 0.5, "shape": "linear"}]

    def __init__(
        self,
        start: NotNegative = 0.04,
        end: NotNegative = 4e-6,
        rise: Between = 0.3,
        shape: Literal["cosine", "linear"] = "cosine",
    ) -> None:
        self.start, self.end, self.rise, self.shape = start, end, rise, shape

    def __call__(self, step: int, steps: int, epoch: float) -> float:
        t = step / max(steps, 1)
        if t < self.rise:
            return self._between(self.start, 1.0, t / self.rise)
        return self._between(1.0, self.end, (t - self.rise) / (1 - self.rise))

    def _between(self, a: float, b: float, part: float) -> float:
        if self.shape == "cosine":
            part = (1 - cos(pi * part)) / 2
        return a * (1 - part) + b * part
