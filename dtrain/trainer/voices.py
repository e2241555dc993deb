"""What ranks tell each other between steps: bad samples, signals, the clock of rank 0, a full disk.

A number that every step adds up anyway says whether any rank wants to speak; only then do all of them listen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dtrain.errors import DataError, on_all_ranks

if TYPE_CHECKING:
    from dtrain.communicator.protocol import Communicator

    from .saving import Saving
    from .signals import Signals
    from .step import Step


@dataclass(frozen=True)
class Heard:
    """code: the exit code that a signal asks for, or 0. save, limit: rank 0's clock asks for it."""

    code: int = 0
    save: bool = False
    limit: bool = False


NOTHING = Heard()


class Voices:
    """The voice and the ears of one rank."""

    def __init__(self, communicator: Communicator, saving: Saving, signals: Signals) -> None:
        self._communicator, self._saving, self._signals = communicator, saving, signals

    def flag(self) -> float:
        """Returns 1 when this rank has something to say after the next step."""
        return float(
            bool(self._signals.code)
            or self._saving.failed
            or (self._communicator.rank == 0 and self._saving.due_by_time())
        )

    def hear(self, step: Step) -> Heard:
        """Returns what was said after a step, the same on all ranks.

        Raises DataError where one met bad samples, RunError where a checkpoint could not be written.
        """
        if not step.flags:
            return NOTHING
        saving = self._saving
        words: dict[str, Any] = {"problem": step.problem, "code": self._signals.code}
        words |= {"save": saving.due_by_time(), "limit": saving.past_limit(), "failed": saving.failed}
        said = self._communicator.share(words)
        if any(words["failed"] for words in said):
            saving.settle()
        for problem in (words["problem"] for words in said):
            if problem is not None:
                raise on_all_ranks(DataError(problem))
        code = max(words["code"] for words in said)
        return Heard(code, save=said[0]["save"], limit=said[0]["limit"])
