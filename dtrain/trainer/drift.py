"""Whether what every rank holds a copy of is still the same on all of them.

Running statistics, and parameters where ranks share no memory; the optimizer's options, the last epoch's figures,
a callback's decision to stop. Ranks compare one CRC-32 each: it is in Python's standard library, any change
within four neighbouring bytes changes it, and it takes a fifth of BLAKE2's time. Only where it differs do they look for
the first array that does.
"""

from __future__ import annotations

import json
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from dtrain.errors import DtrainError, RunError, on_all_ranks
from dtrain.wording import ranks_in_words

from .difference import size_of
from .tensors import described, in_network_order

if TYPE_CHECKING:
    from dtrain.types import Array

    from .trainer import Trainer

_SAVED = "checkpoints written before, if any, are good: --resume goes on from the last"
SHOWN = 3
"""Of how many ranks a message tells the size of the difference."""

ADVICE = (
    "what crosses rows goes through the context (context.sum(x) instead of x.sum(axis=0)), running statistics "
    "through context.update, and no part has random numbers, a clock or a state of its own"
)


class Drift:
    """Compares the ranks of one trainer, every `check_replicas` updates and whenever it is asked to."""

    def __init__(self, trainer: Trainer) -> None:
        self._trainer = trainer
        self._every = trainer.job.config.train.check_replicas
        self._due = False

    def after_step(self) -> None:
        """Compares the ranks when it is time to; where they train by themselves, when they meet. A collective."""
        if self._every and self._trainer.step % self._every == 0:
            self._due = True
        if self._due and not self._trainer.meetings.apart:
            self._due = False
            self.check()

    def check(self, *, decisions_only: bool = False) -> None:
        """Raises RunError on all ranks when one of them holds something else than rank 0. A collective."""
        communicator = self._trainer.communicator
        if communicator.size == 1:
            return
        decisions = self._decisions()
        sums = [zlib.crc32(_in_json(decisions).encode())]
        held = [] if decisions_only else self._held()
        sums += [_checksum(array) for _, array in held]
        own = np.array([zlib.crc32(np.array(sums, np.uint32).data)], np.int64)
        every = np.zeros((communicator.size, 1), np.int64)
        communicator.allgather(own, every)
        if (every != every[0]).any():
            raise self._error(decisions, held, sums)

    # ------------------------------------------------------------------ what is compared

    def _held(self) -> list[tuple[str, Array]]:
        replica = self._trainer.replica
        shared = replica.shares_values
        return [
            (name, array) for kind, name, array in in_network_order(replica) if kind != "value" or not shared
        ]

    def _decisions(self) -> dict[str, Any]:
        trainer = self._trainer
        plain = (bool, int, float, str)
        options = {
            f"the option {k!r} of the optimizer": v
            for k, v in trainer.options.items()
            if isinstance(v, plain)
        }
        return {
            **options,
            "the number of steps": [trainer.step, trainer.position],
            "the reason to stop": trainer.stop_reason,
            "the states of the schedules": trainer.driver.state(),
            "the figures of the last epoch": [trainer.train, trainer.validation],
        }

    # ------------------------------------------------------------------ when it differs

    def _error(
        self, decisions: dict[str, Any], held: list[tuple[str, Array]], sums: list[int]
    ) -> DtrainError:
        """Returns the error of every rank alike. A collective."""
        every = self._trainer.communicator.share(sums)
        different = [rank for rank, found in enumerate(every) if found[0] != every[0][0]]
        if different:
            what, got = self._decision(decisions, different[0])
        else:
            i = next(i for i in range(len(held)) if any(found[i + 1] != every[0][i + 1] for found in every))
            different = [rank for rank, found in enumerate(every) if found[i + 1] != every[0][i + 1]]
            what, got = (
                described(self._trainer.replica.network, held[i][0]),
                self._apart(held[i][1], different),
            )
        trainer = self._trainer
        epoch = max(trainer.position - 1, 0) // trainer.batches.count + 1
        return on_all_ranks(
            RunError(
                f"step {trainer.step:,} (epoch {epoch:,}): expected {what} the same on all ranks, got another on "
                f"{ranks_in_words(different)} than on rank 0{got}; {ADVICE}; {_SAVED}"
            )
        )

    def _decision(self, decisions: dict[str, Any], other: int) -> tuple[str, str]:
        every = self._trainer.communicator.share([[k, _in_json(v)] for k, v in decisions.items()])
        what, expected, got = next(
            (key, value, found)
            for (key, value), (_, found) in zip(every[0], every[other], strict=True)
            if value != found
        )
        return what, f": {got} instead of {expected}"

    def _apart(self, array: Array, different: list[int]) -> str:
        """Returns in words how far a tensor is apart on the ranks where it differs. A collective."""
        communicator = self._trainer.communicator
        forms = communicator.share([list(array.shape), array.dtype.str])
        for rank in different:
            if forms[rank] != forms[0]:
                return f": {tuple(forms[rank][0])} of {forms[rank][1]} instead of {tuple(forms[0][0])} of {forms[0][1]}"
        array = np.ascontiguousarray(array)
        expected = array if communicator.rank == 0 else np.empty_like(array)
        if communicator.rank == 0:
            communicator.exchange([(rank, array) for rank in different], [])
        else:
            communicator.exchange([], [(0, expected)] if communicator.rank in different else [])
            expected = expected if communicator.rank in different else array
        sizes = communicator.share(str(size_of(expected, array)))
        if len(different) == 1:
            return f": {sizes[different[0]]}"
        return "".join(f"; rank {rank}: {sizes[rank]}" for rank in different[:SHOWN])


def _checksum(array: Array) -> int:
    return zlib.crc32(
        f"{array.dtype.str} {array.shape}".encode(), zlib.crc32(np.ascontiguousarray(array).data)
    )


def _in_json(value: Any) -> str:
    """Of what a checkpoint will refuse, only the type: its address differs between ranks."""
    return json.dumps(value, default=lambda other: type(other).__name__)
