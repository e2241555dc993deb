"""How a command ends: one message, one exit code, and no rank left waiting."""

from __future__ import annotations

import os
import platform
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from dtrain.communicator import launched, open_communicator
from dtrain.communicator.leaving import tell_starter
from dtrain.errors import DtrainError, UserError

if TYPE_CHECKING:
    from dtrain.communicator.environment import Launched
    from dtrain.communicator.protocol import Communicator

FAILED, MISTAKE, INTERRUPTED = 1, 2, 130

TURN, LAST_TURN = 0.2, 5
"""Seconds between the failing ranks' turns to speak, and how many turns there are."""


class Scope:
    """What a command runs in: the launcher's environment, and the communicator once it is open.

    where: what this rank is at. lost: what Ctrl-C costs.
    """

    def __init__(self) -> None:
        self.launched: Launched | None = launched()
        self.communicator: Communicator | None = None
        self.where: Callable[[], str] = lambda: "before the first step"
        self.lost = "nothing saved since the last checkpoint"

    @property
    def rank(self) -> int:
        """This process's rank, also before MPI is there."""
        return self.launched.rank if self.launched else 0

    def open(self) -> Communicator:
        """Opens the communicator of the job: MPI under a launcher of several ranks, serial otherwise."""
        self.communicator = open_communicator(self.launched)
        return self.communicator

    def close(self) -> None:
        """Leaves the job in good order. A collective."""
        if self.communicator is not None:
            self.communicator.close()
            self.communicator = None


def guarded(command: Callable[[Scope], int]) -> int:
    """Runs a command and returns its exit code: 0 done, 1 a failure, 2 the user's mistake, 130 or 143 interrupted.

    An error that every rank raised is told by rank 0. One that this rank alone met ends the whole job.
    """
    scope = Scope()
    try:
        code = command(scope)
        scope.close()
        return code
    except DtrainError as error:
        code = MISTAKE if isinstance(error, UserError) else FAILED
        if _is_alone(scope) or error.everywhere or scope.communicator is None:
            return _leave_together(scope, code, error)
        return _end_job(scope, code, _told(error, f"{_who(scope)}: {error}{_notes(error)}"))
    except MemoryError as error:
        what = f"not enough memory: {' '.join(str(error).split()) or 'Python asked for more'}{_notes(error)}"
        told = f"{_who(scope)}: {what}; take a smaller batch or network, or more ranks"
        return _end_job(scope, FAILED, _told(error, told))
    except KeyboardInterrupt:
        return _end_job(scope, INTERRUPTED, f"dtrain: interrupted; {scope.lost}")
    except SystemExit as error:
        if scope.communicator is None:  # --help and --version
            raise
        said = f"something called sys.exit({error.code!r}) in the middle of the run"
        return _end_job(scope, FAILED, f"{traceback.format_exc()}{_told(error, f'{_who(scope)}: {said}')}")
    except Exception as error:
        what = f"{_who(scope)}: {_in_words(error)}{_notes(error)}; the traceback is above"
        return _end_job(scope, FAILED, f"{traceback.format_exc()}{_told(error, what)}")


def _is_alone(scope: Scope) -> bool:
    return scope.launched is None or scope.launched.size == 1


def _leave_together(scope: Scope, code: int, error: DtrainError) -> int:
    """Rank 0 speaks and leaves first: Open MPI kills every rank at the first exit code that is not 0."""
    met_here = scope.communicator is None and not error.everywhere
    if scope.rank == 0:
        _say(_told(error, f"{error}{_notes(error)}"))
    scope.close()
    if scope.rank != 0:
        time.sleep(1.0)
        if met_here:  # and rank 0 has not met it, or this one would be gone
            _say(_told(error, f"{_who(scope)}: {error}"))
    return code


def _end_job(scope: Scope, code: int, message: str) -> int:
    """Ends every rank. Where several met the same bug, the lowest speaks, and the others are gone by then."""
    time.sleep(TURN * min(scope.rank, LAST_TURN))
    _say(message)
    if scope.communicator is not None and scope.communicator.size > 1:
        scope.communicator.abort(code)
    return code


def _who(scope: Scope) -> str:
    size = scope.launched.size if scope.launched else 1
    return f"rank {scope.rank} of {size} on {platform.node()} ({scope.where()})"


def _in_words(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split()).rstrip(": ")


def _notes(error: BaseException) -> str:
    """Returns where it happened, unless it happened on every rank alike."""
    notes = [] if getattr(error, "everywhere", False) else getattr(error, "__notes__", [])
    return f" ({'; '.join(notes)})" if notes else ""


def _told(error: BaseException, message: str) -> str:
    """Returns the line that says what went wrong; a process that started this job finds it as JSON, too."""
    tell_starter(type(error).__name__, message)
    return f"dtrain: {' '.join(message.split())}"


def _say(message: str) -> None:
    with suppress(OSError):  # nobody there to read it
        sys.stdout.flush()
        os.write(2, f"{message}\n".encode(errors="replace"))  # one write: no other rank's output in between
