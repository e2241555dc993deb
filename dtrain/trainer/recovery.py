"""What the ranks that are left do when others have died: agree on a moment, share out the shards anew, go on.

The flat arrays of a host lie in memory that all its ranks share, so a dead rank's parameters and optimizer
slots are still there; what it left half changed, the journal brings back. Everything else is on every rank.
Ranks may have come through the last collective or not, so they may be one moment apart: all take the latest.
Where ranks share no memory, the run goes on from its newest checkpoint.
"""

from __future__ import annotations

from enum import Enum
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from dtrain.errors import RankLost

from .checkpoint import SUFFIX
from .logical import Snapshot
from .point import Point, go_back

if TYPE_CHECKING:
    from dtrain.communicator.protocol import Communicator
    from dtrain.types import Array

    from .seat import Seat
    from .trainer import Trainer


class Way(Enum):
    """How a run goes on: in place, from its newest checkpoint, or from its start, for want of anything later."""

    IN_PLACE = 0
    FROM_CHECKPOINT = 1
    FROM_START = 2


def recover(communicator: Communicator, trainer: Trainer | None) -> Way:
    """Leaves the dead behind and puts the trainer on the ranks that are left, if it can go on in place.

    A collective of these; further losses meanwhile are left behind as well.
    """
    began = perf_counter()
    if trainer is not None:
        trainer.saving.close()
    while True:
        communicator.shrink()
        try:
            return _recover(communicator, trainer, began)
        except RankLost:
            continue


def _recover(communicator: Communicator, trainer: Trainer | None, began: float) -> Way:
    own = (
        [-1, 0]
        if trainer is None or trainer.point is None
        else [trainer.point.number, trainer.seat.generation]
    )
    said = communicator.share(own)
    latest = max(number for number, _ in said)
    if latest < 0 or trainer is None:  # no rank points a moment before all have a trainer
        return Way.FROM_START
    leader = next(rank for rank, (number, _) in enumerate(said) if number == latest)
    trainer.speak(communicator.rank == 0)
    point = _share_point(trainer, communicator, leader)
    generation = max(generation for _, generation in said)
    source = trainer.seat if trainer.seat.generation == generation else trainer.pending
    assert source is not None, "a rank that has another's seat behind it has waited for all to be there"
    if source.update.journal is None:
        found = communicator.share(any(trainer.folder.checkpoints.glob(f"step-*{SUFFIX}")))[0]
        return Way.FROM_CHECKPOINT if point.folder is not None and found else Way.FROM_START
    _change_seats(trainer, source, point)
    trainer.tell_loss(perf_counter() - began)
    return Way.IN_PLACE


def _change_seats(trainer: Trainer, source: Seat, point: Point) -> None:
    communicator, journal = trainer.communicator, source.update.journal
    if communicator.rank == 0:
        assert journal is not None
        journal.roll_back(point.number)
    communicator.barrier()
    seat = trainer.make_seat(source.generation + 1)
    own = seat.replica.own
    seat.replica.exchange.values[own] = source.replica.exchange.values[own]
    for name, slot in seat.update.slots.items():
        slot[...] = source.update.shared_slots[name][own]
    trainer.take(source)
    trainer.pending = seat
    communicator.barrier()  # who comes through it knows that the new seats are whole
    trainer.take(seat)
    trainer.pending = None
    go_back(trainer, point)
    trainer.remember(point)
    trainer.saving.take_over()


def _share_point(trainer: Trainer, communicator: Communicator, leader: int) -> Point:
    """Returns the leader's point."""
    words: Any = None
    arrays: list[Array] = []
    if communicator.rank == leader:
        assert trainer.point is not None
        words, arrays = _as_words(trainer.point)
    words = communicator.share(words)[leader]
    arrays = _broadcast(communicator, leader, arrays)
    return _from_words(words, arrays)


def _as_words(point: Point) -> tuple[dict[str, Any], list[Array]]:
    """Returns a point as JSON values and the arrays in it."""
    words = dict(vars(point))
    arrays = list(words.pop("states"))
    words["states"] = len(arrays)
    callbacks = []
    for state in point.callbacks:
        plain = dict(state)
        for key, value in state.items():
            if isinstance(value, Snapshot):
                plain[key] = {"snapshot": [len(arrays), len(value.states)]}
                arrays += [value.values, *value.states]
        callbacks.append(plain)
    return words | {"callbacks": callbacks}, arrays


def _from_words(words: dict[str, Any], arrays: list[Array]) -> Point:
    def value_of(value: Any) -> Any:
        if isinstance(value, dict) and value.keys() == {"snapshot"}:
            at, states = value["snapshot"]
            return Snapshot(arrays[at], arrays[at + 1 : at + 1 + states])
        return value

    callbacks = [{key: value_of(value) for key, value in state.items()} for state in words["callbacks"]]
    return Point(**words | {"callbacks": callbacks, "states": arrays[: words["states"]]})


def _broadcast(communicator: Communicator, leader: int, arrays: list[Array]) -> list[Array]:
    """Returns the leader's arrays on every rank."""
    described = communicator.share([[array.shape, array.dtype.str] for array in arrays])[leader]
    peers = [rank for rank in range(communicator.size) if rank != leader]
    if communicator.rank == leader:
        sent = [np.asarray(array, order="C") for array in arrays]
        communicator.exchange([(peer, array) for peer in peers for array in sent], [])
        return arrays
    received: list[Array] = [np.empty(shape, dtype) for shape, dtype in described]
    communicator.exchange([], [(leader, array) for array in received])
    return received
