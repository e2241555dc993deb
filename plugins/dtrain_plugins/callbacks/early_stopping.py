from __future__ import annotations

from math import inf
from typing import Any, Literal

from dtrain import Callback, ConfigError, Run, did_you_mean

from ..ranges import Count, NotNegative


class EarlyStopping(Callback):
    """Stops when a held-out figure has not improved for `patience` epochs, and brings back the best weights.

    patience: epochs without improvement that are waited for, ≥ 1. metric: "loss" or one of the run's metrics,
    on the validation samples. mode: whether less ("min") or more ("max") is better; "auto": less for "loss",
    and for a metric as it says itself (`higher_is_better`). minimum_change: an improvement is more than this, in
    units of the metric, ≥ 0; by default any is one; NaN and infinitely bad are none. restore_best: whether the best
    epoch's parameters and running statistics are brought back at the end, stopped or not. The figures are
    totals over all ranks: all stop at once.

    Raises ConfigError at the start when nothing is held out, or when the run does not measure `metric`.

    Prechelt, "Early stopping, but when?", 1998: its class UP, with the best epoch kept.
    """

    examples = [
        {"patience": 2},
        {"patience": 2, "metric": "accuracy", "mode": "max", "minimum_change": 0.01, "restore_best": False},
    ]

    def __init__(
        self,
        patience: Count = 5,
        metric: str = "loss",
        mode: Literal["auto", "min", "max"] = "auto",
        minimum_change: NotNegative = 0.0,
        restore_best: bool = True,
    ) -> None:
        self.patience, self.metric, self.minimum_change = patience, metric, minimum_change
        self.restore_best, self.mode = restore_best, mode
        self.sign = 1
        self.best, self.waited = inf, 0
        self.snapshot: object = None

    def start(self, run: Run) -> None:
        if not run.held_out:
            raise ConfigError("early_stopping needs held-out samples: set [data] validation, for example 0.2")
        if self.metric not in run.measures:
            raise ConfigError(
                f"early_stopping watches {self.metric!r}, which the run does not measure; it measures "
                f"{', '.join(map(repr, run.measures))}{did_you_mean(self.metric, run.measures)}; "
                "add it to [train] metrics"
            )
        more = self.mode == "max" or (self.mode == "auto" and run.higher_is_better[self.metric])
        self.sign = -1 if more else 1

    def after_epoch(self, run: Run) -> None:
        assert run.validation is not None, "held-out samples were there at the start"
        value = self.sign * run.validation[self.metric]
        if value < self.best - self.minimum_change:  # never of a NaN, nor of an infinite loss
            self.best, self.waited = value, 0
            self.snapshot = run.snapshot() if self.restore_best else None
            return
        self.waited += 1
        if self.waited >= self.patience:
            epochs = "1 epoch" if self.patience == 1 else f"{self.patience} epochs"
            run.stop(f"validation {self.metric} has not improved for {epochs}")

    def end(self, run: Run) -> None:
        if self.snapshot is not None:
            run.restore(self.snapshot)

    def state(self) -> dict[str, Any]:
        return {
            "best": None if self.best == inf else self.best,
            "waited": self.waited,
            "best_run": self.snapshot,
        }

    def load_state(self, state: dict[str, Any]) -> None:
        self.best = inf if state["best"] is None else float(state["best"])
        self.waited, self.snapshot = int(state["waited"]), state["best_run"]
