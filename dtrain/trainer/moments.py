"""Calls the callbacks of a run, and says whose callback failed."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from dtrain.contracts import Callback
from dtrain.errors import UserError

from .agreement import agree

if TYPE_CHECKING:
    from dtrain.communicator.protocol import Communicator
    from dtrain.contracts import Run

    from .job import Job


class Moments:
    """The callbacks of a job, called in the order of the config."""

    def __init__(self, job: Job, run: Run) -> None:
        self._job, self._run = job, run

    def __bool__(self) -> bool:
        return bool(self._job.callbacks)

    def needs(self, moment: str) -> bool:
        """Tells whether a callback does anything at this moment."""
        plain = getattr(Callback, moment)
        return any(
            getattr(getattr(callback, moment), "__func__", None) is not plain
            for callback in self._job.callbacks
        )

    def start(self, communicator: Communicator) -> None:
        """Calls `start`. A UserError of one is raised on all ranks, before anything is written."""
        for callback, part in zip(self._job.callbacks, self._job.config.callbacks, strict=True):
            agree(communicator, partial(self._start, callback, part.where))

    def _start(self, callback: Callback, where: str) -> None:
        try:
            self._one("start", callback)
        except UserError as error:
            raise type(error)(f"{where}: {error}") from error

    def __call__(self, moment: str) -> None:
        """Calls one moment of every callback."""
        for callback in self._job.callbacks:
            self._one(moment, callback)

    def _one(self, moment: str, callback: Callback) -> None:
        try:
            getattr(callback, moment)(self._run)
        except Exception as error:
            error.add_note(f"in {moment} of the callback {self._origin(callback)}")
            raise

    def failure(self, error: BaseException) -> None:
        """Tells every callback that the run fails; what they raise becomes notes of the error."""
        for callback in self._job.callbacks:
            try:
                callback.failure(self._run, error)
            except Exception as second:
                error.add_note(f"and failure of the callback {self._origin(callback)} raised {second!r}")

    def _origin(self, callback: Callback) -> str:
        entry = self._job.registry.owner(callback)
        return type(callback).__name__ if entry is None else f"{entry.name!r} from {entry.origin}"
