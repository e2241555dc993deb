from __future__ import annotations

from math import inf
from typing import Any

from dtrain import Schedule

from ..ranges import Between, Count, Natural, NotNegative, Share


class Plateau(Schedule):
    """Multiplies by `factor` when a held-out figure has not improved for `patience` epochs.

    It watches the figure after each epoch, the training figure where nothing is held out: totals over all ranks, so
    all take the same decision. NaN is no improvement.

    metric: "loss", or one of the run's metrics, which says itself whether more or less is better. factor: in (0,
    1). patience: epochs without improvement that are waited for, ≥ 1; after the last of them the factor falls
    (PyTorch waits for one more). minimum_change: an improvement is more than this, ≥ 0. relative: whether it is a
    share of the best figure so far, as in PyTorch, or in units of the figure. cooldown: epochs after a fall that do
    not count as waiting, ≥ 0. minimum: the least product of the factors, in [0, 1]. Raises ValueError for an option
    out of range.
    """

    aliases = ("ReduceLROnPlateau",)
    examples = [
        {},
        {
            "factor": 0.5,
            "patience": 2,
            "cooldown": 1,
            "minimum": 0.01,
            "minimum_change": 0.01,
            "relative": False,
            "metric": "accuracy",
        },
    ]

    def __init__(
        self,
        factor: Between = 0.1,
        patience: Count = 10,
        minimum_change: NotNegative = 1e-4,
        cooldown: Natural = 0,
        minimum: Share = 0.0,
        relative: bool = True,
        metric: str = "loss",
    ) -> None:
        self.metric = metric
        self.factor, self.patience = factor, patience
        self.minimum_change, self.relative = minimum_change, relative
        self.cooldown, self.minimum = cooldown, minimum
        self.now, self.best, self.waited, self.cooling = 1.0, inf, 0, 0

    def __call__(self, step: int, steps: int, epoch: float) -> float:
        return self.now

    def observe(self, value: float) -> None:
        cooling, self.cooling = self.cooling > 0, max(self.cooling - 1, 0)
        if value < self._threshold():
            self.best, self.waited = value, 0
        elif not cooling:
            self.waited += 1
            if self.waited >= self.patience:
                self.now = max(self.now * self.factor, self.minimum)
                self.waited, self.cooling = 0, self.cooldown

    def _threshold(self) -> float:
        """Returns the value below which there is an improvement."""
        if self.best == inf:
            return inf
        return self.best - self.minimum_change * (abs(self.best) if self.relative else 1)

    def state(self) -> dict[str, Any]:
        return {
            "now": self.now,
            "best": None if self.best == inf else self.best,
            "waited": self.waited,
            "cooling": self.cooling,
        }

    def load_state(self, state: dict[str, Any]) -> None:
        self.best = inf if state["best"] is None else float(state["best"])
        self.now, self.waited, self.cooling = float(state["now"]), int(state["waited"]), int(state["cooling"])
