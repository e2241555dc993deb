"""Where a run can go back to when ranks die: a moment after a step, all of it but the flat arrays."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dtrain.types import Array

    from .trainer import Trainer

LAST_POINTS = 3
"""How many a rank keeps: when another dies, it may be two further."""

COUNTERS = ("position", "step", "skipped", "train", "validation", "stop_reason", "limited")
"""Attributes of a trainer that a point keeps; each is replaced, never changed, by what happens later."""

_counters_of = attrgetter(*COUNTERS)


class Point(NamedTuple):  # one a step: a frozen dataclass takes four times as long to make
    """The moment after the update up to a position: before or after (`acted`) what follows it.

    What follows an update: callbacks, the end of an epoch, a checkpoint. counters: in the order of COUNTERS.
    sums: what the epoch has added up. saving: the best loss, the step saved last. schedules, optimizer,
    callbacks: their states. states: running statistics. folder: where the run is written; None: not yet.
    """

    acted: bool
    counters: Sequence[Any]
    sums: dict[str, Any]
    saving: list[Any]
    schedules: list[dict[str, Any]]
    optimizer: dict[str, Any]
    callbacks: list[dict[str, Any]]
    states: list[Array]
    folder: str | None

    @property
    def number(self) -> int:
        """Grows from point to point."""
        return 2 * int(self.counters[0]) + self.acted


def take_point(trainer: Trainer, before: Point | None, acted: bool) -> Point:
    """Returns the point of this moment.

    before: the one before it; until `acted`, no schedule or callback has been called since.
    """
    if before is None or acted:
        schedules = trainer.driver.state()
        callbacks = [dict(callback.state()) for callback in trainer.job.callbacks]
    else:
        schedules, callbacks = before.schedules, before.callbacks
    return Point(
        acted,
        _counters_of(trainer),
        trainer.so_far.state(),
        trainer.saving.state(),
        schedules,
        trainer.job.optimizer.state(),
        callbacks,
        [state.value for state in trainer.replica.network.states],
        str(trainer.folder.path) if trainer.opened else None,
    )


def go_back(trainer: Trainer, point: Point) -> None:
    """Makes the trainer, but for its flat arrays, what it was at this point."""
    for name, value in zip(COUNTERS, point.counters, strict=True):
        setattr(trainer, name, value)
    trainer.so_far.load_state(point.sums)
    trainer.saving.load_state(point.saving)
    trainer.driver.load_state(point.schedules)
    trainer.job.optimizer.load_state(point.optimizer)
    for callback, state in zip(trainer.job.callbacks, point.callbacks, strict=True):
        callback.load_state(dict(state))
    for running, value in zip(trainer.replica.network.states, point.states, strict=True):
        running.value = value
    trainer.set_out(point.acted, point.folder)
