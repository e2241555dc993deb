"""What goes through the layers in one step, in the order in which it is computed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from dtrain.contracts import Loss
    from dtrain.engine import Context
    from dtrain.trainer import Trainer
    from dtrain.types import Array


@dataclass(frozen=True)
class Seen:
    """This rank's rows of one array.

    what: "data" (as it enters the first layer), "forward" (a layer's y), "loss" (its values), "slope" (the
    loss's dy), "backward" (a layer's dx). layer: its id, or "".
    """

    what: str
    layer: str
    array: Array


class Trace:
    """Notes what is computed in training while it is `on`."""

    def __init__(self, trainer: Trainer, seen: list[Seen]) -> None:
        self.on = False
        self._seen, self._trainer = seen, trainer
        network = trainer.replica.network
        self._forward = network.forward
        vars(network)["forward"] = self._from_data  # of this network alone
        network.watch = self._watch
        trainer.figures.loss = _SeenLoss(trainer.figures.loss, self.note)  # type: ignore[assignment]

    def note(self, what: str, layer: str, array: Array) -> None:
        """Notes an array."""
        if self.on and self._trainer.replica.context.training:
            self._seen.append(Seen(what, layer, np.array(array)))

    def _watch(self, layer: str, phase: str, array: Array) -> None:
        self.note(phase, layer, array)

    def _from_data(self, x: Array, context: Context, until: int | None = None) -> Any:
        self.note("data", "", x)
        return self._forward(x, context, until)


class _SeenLoss:
    """A loss whose values and gradient are noted; all else is the loss's own."""

    def __init__(self, loss: Loss, note: Callable[[str, str, Array], None]) -> None:
        self._loss, self._note = loss, note

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loss, name)

    def forward(self, y: Array, target: Array, context: Context) -> Any:
        """As of the loss."""
        values, backward = self._loss.forward(y, target, context)
        self._note("loss", "", values[0] if isinstance(values, tuple) else values)

        def noted() -> Array:
            dy = backward()
            self._note("slope", "", dy)
            return dy

        return values, noted
