"""When ranks that train by themselves meet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dtrain.engine.apart import Apart

if TYPE_CHECKING:
    from .trainer import Trainer


class Meetings:
    """The meetings of one trainer; none where the ranks go together in every step.

    What follows a step of all ranks waits for the next meeting: checkpoints, whoever asks for them, and the end by a
    signal or the time limit. So what is saved is what all have, and a resumed run meets when it would have.
    """

    def __init__(self, trainer: Trainer) -> None:
        self._trainer = trainer

    @property
    def apart(self) -> bool:
        """Whether this rank has other values than the others."""
        exchange = self._trainer.replica.exchange
        return isinstance(exchange, Apart) and exchange.apart

    def after_step(self, *, updated: bool, due: bool) -> None:
        """Meets every `interval` updates, or where it is due anyhow: an epoch ends, or the run. A collective."""
        replica = self._trainer.replica
        exchange = replica.exchange
        if not (isinstance(exchange, Apart) and exchange.apart):
            return
        if due or (updated and self._trainer.step % exchange.interval == 0):
            exchange.meet(replica.network.states)
