"""Schedules at work: they drive an optimizer's options from their first values."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dtrain.config import SchedulePart
    from dtrain.contracts import Optimizer, Schedule


class Driver:
    """Sets options to their first value times the factors of all their schedules.

    steps: updates of the whole run. steps_per_epoch: updates of one epoch.
    """

    def __init__(
        self, optimizer: Optimizer, schedules: Sequence[Schedule], parts: Sequence[SchedulePart],
        steps: int, steps_per_epoch: int,
    ) -> None:  # fmt: skip
        self._optimizer, self._schedules, self._parts = optimizer, schedules, parts
        self._steps, self._per_epoch = steps, steps_per_epoch
        self._first = {part.of: float(getattr(optimizer, part.of)) for part in parts}

    def drive(self, step: int) -> None:
        """Sets the options for the update after `step` updates."""
        for of, first in self._first.items():
            factors = (
                self._factor(schedule, part.unit, step)
                for schedule, part in zip(self._schedules, self._parts, strict=True)
                if part.of == of
            )
            setattr(self._optimizer, of, first * prod(factors))

    def _factor(self, schedule: Schedule, unit: str, step: int) -> float:
        epoch = step / self._per_epoch
        if unit == "step":
            return schedule(step, self._steps, epoch)
        return schedule(step // self._per_epoch, -(-self._steps // self._per_epoch), epoch)

    def observe(self, metric: float) -> None:
        """Tells every schedule the held-out loss after an epoch."""
        for schedule in self._schedules:
            schedule.observe(metric)

    def state(self) -> list[dict[str, Any]]:
        """Returns what a checkpoint must keep."""
        return [schedule.state() for schedule in self._schedules]

    def load_state(self, states: Sequence[dict[str, Any]]) -> None:
        """Takes back what `state` returned."""
        for schedule, state in zip(self._schedules, states, strict=True):
            schedule.load_state(state)
