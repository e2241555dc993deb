"""What an epoch has added up so far."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dtrain.types import Array


class EpochSums:
    """Totals over all ranks since the epoch began.

    sums: of the figures' columns. samples: that were trained on. updates: steps that were finite. seconds: of
    training steps alone.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begins an epoch."""
        self.sums: Array = np.zeros(0)
        self.samples, self.updates, self.seconds = 0, 0, 0.0

    def add(self, sums: Array, samples: int) -> None:
        """Adds an update's."""
        self.sums = self.sums + sums if len(self.sums) else sums
        self.samples += samples
        self.updates += 1

    def state(self) -> dict[str, Any]:
        """Returns what a checkpoint must keep, as JSON values."""
        return {
            "sums": self.sums.tolist(),
            "samples": self.samples,
            "updates": self.updates,
            "seconds": self.seconds,
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Takes back what `state` returned."""
        self.sums = np.array(state["sums"], np.float64)
        self.samples, self.updates, self.seconds = state["samples"], state["updates"], state["seconds"]
