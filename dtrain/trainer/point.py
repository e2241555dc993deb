"""All that training changes but the flat arrays: the one list of it.

Recovery goes back to a point when ranks are lost, a procedure's mark holds one, and a checkpoint's cursor is written
from one.
"""

from __future__ import annotations

from copy import deepcopy
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
    callbacks: copies of their states. states: running statistics. folder: where the run is written; None: not yet.
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
        schedules = deepcopy(trainer.driver.state())  # a part may return a list that it will append to
        callbacks = [deepcopy(dict(callback.state())) for callback in trainer.job.callbacks]
    else:
        schedules, callbacks = before.schedules, before.callbacks
    return Point(
        acted,
        _counters_of(trainer),
        trainer.so_far.state(),
        trainer.saving.state(),
        schedules,
        deepcopy(trainer.job.optimizer.state()),
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
    trainer.driver.load_state(deepcopy(point.schedules))  # a part may keep what it is given, and change it
    trainer.job.optimizer.load_state(deepcopy(point.optimizer))
    for callback, state in zip(trainer.job.callbacks, point.callbacks, strict=True):
        callback.load_state(deepcopy(state))
    for running, value in zip(trainer.replica.network.states, point.states, strict=True):
        running.value = value
    trainer.set_out(point.acted, point.folder)
