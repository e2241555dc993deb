"""What the ranks that are left do when others have died: find a moment, share out the shards anew, go on.

The flat arrays of a host lie in memory that all its ranks share, so a dead rank's parameters and optimizer
slots are still there; what it left half changed, the journal brings back. Everything else is on every rank. The
moment is the last that every rank has passed, the dead too, by what each has written into that memory itself:
MPI lets some ranks come through a collective in which others died, and what those got from it may be wrong.
Where ranks share no memory, the run goes on from its newest checkpoint.
"""

from __future__ import annotations

from enum import Enum
from time import perf_counter
from typing import TYPE_CHECKING

from dtrain.errors import RankLost

from .point import go_back

if TYPE_CHECKING:
    from dtrain.communicator.protocol import Communicator

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
        communicator.shrink()  # returns when all that are left have come: nobody changes an array now
        try:
            return _recover(communicator, trainer, began)
        except RankLost:
            continue


def _recover(communicator: Communicator, trainer: Trainer | None, began: float) -> Way:
    source = None if trainer is None else _whole(trainer)
    saved = trainer is not None and trainer.opened and trainer.folder.has_checkpoint()
    found = communicator.share([source is not None, saved])
    if trainer is None or source is None:
        if any(there for there, _ in found):  # MPI gave a wrong answer: another rank has died
            raise RankLost("the ranks that are left do not agree on how to go on")
        return Way.FROM_CHECKPOINT if found[0][1] else Way.FROM_START
    trainer.speak(communicator.rank == 0)
    _change_seats(trainer, source)
    trainer.tell_loss(perf_counter() - began)
    return Way.IN_PLACE


def _whole(trainer: Trainer) -> Seat | None:
    """Returns the latest seat in which every rank, also one that died, has passed a point; None: none."""
    seats = [trainer.seat] if trainer.spare is None else [trainer.seat, trainer.spare]
    for seat in sorted(seats, key=lambda seat: -seat.generation):
        if seat.update.journal is not None and seat.update.journal.passed():
            return seat
    return None


def _change_seats(trainer: Trainer, source: Seat) -> None:
    communicator, journal = trainer.communicator, source.update.journal
    assert journal is not None
    point = trainer.point_of(journal.passed())
    if communicator.rank == 0:
        journal.roll_back(point.number)
    communicator.barrier()
    seat = trainer.make_seat(source.generation + 1)
    own = seat.replica.own
    seat.replica.exchange.values[own] = source.replica.exchange.values[own]
    for name, slot in seat.update.slots.items():
        slot[...] = source.update.shared_slots[name][own]
    trainer.take(source, spare=seat)
    if seat.update.journal is not None:
        seat.update.journal.pass_by(point.number)
    communicator.barrier()
    trainer.take(seat, spare=source)  # until all are known to have come this far
    go_back(trainer, point)
    while trainer.points[-1] is not point:  # those behind it have not happened
        trainer.points.pop()
    trainer.saving.take_over()
