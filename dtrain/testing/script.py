"""A run as a callback sees it, with figures that are written beforehand: better for some epochs, then worse."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dtrain.contracts import ArrayRows
from dtrain.trainer.logical import Snapshot

if TYPE_CHECKING:
    from dtrain.types import Array


class Script:
    """Ten steps an epoch; the losses fall for five epochs, then rise. `decisions` keeps what the callback did."""

    measures = ("loss", "accuracy")
    higher_is_better: Mapping[str, bool] = {"loss": False, "accuracy": True}
    held_out = True
    steps = 1000
    samples = ArrayRows(np.linspace(-1, 1, 9)[:, None], np.linspace(0, 1, 9))
    writes_to: Path | None = None

    def __init__(self) -> None:
        self.epoch = self.step = 0
        self.options: Mapping[str, Any] = {"lr": 0.1}
        self.train: Mapping[str, float] = {}
        self.validation: Mapping[str, float] | None = None
        self.decisions: list[str] = []

    def predict(self, x: Array) -> Array:
        return x * self.step

    def stop(self, reason: str) -> None:
        self.decisions.append(f"epoch {self.epoch}, step {self.step}: stop: {reason}")

    def snapshot(self) -> object:
        return Snapshot(np.full(3, float(self.step)), [])

    def restore(self, snapshot: object) -> None:
        of = snapshot.values[0] if isinstance(snapshot, Snapshot) else None
        self.decisions.append(f"epoch {self.epoch}, step {self.step}: restore step {of}")

    def play(self, callback: Any, epochs: int, *, start: bool = True, end: bool = True) -> None:
        """Calls every moment of these epochs, in the order of a real run."""
        if start:
            callback.start(self)
        for _ in range(epochs):
            self._epoch(callback)
        if end:
            callback.end(self)
            callback.after_checkpoint(self)

    def _epoch(self, callback: Any) -> None:
        for _ in range(10):
            self.step += 1
            callback.after_step(self)
        self.epoch += 1
        loss = 0.5 + 0.1 * abs(self.epoch - 5)
        self.train = {"loss": loss, "accuracy": 1 - loss / 2}
        self.validation = {"loss": loss + 0.125, "accuracy": 0.9 - loss / 2}
        callback.after_epoch(self)
        if self.epoch % 4 == 0:
            callback.after_checkpoint(self)
