"""How a command ends: one message, one exit code, and no rank left waiting."""

from __future__ import annotations

import os
import platform
import sys
import time
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING

from dtrain.communicator import launched, open_communicator
from dtrain.errors import DtrainError, UserError

if TYPE_CHECKING:
    from dtrain.communicator.environment import Launched
    from dtrain.communicator.protocol import Communicator

DONE, FAILED, MISTAKE = 0, 1, 2


class Scope:
    """What a command runs in: the launcher's environment, and the communicator once it is open."""

    def __init__(self) -> None:
        self.launched: Launched | None = launched()
        self.communicator: Communicator | None = None
        self.where: Callable[[], str] = lambda: "before the first step"

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
            return _leave_together(scope, code, f"dtrain: {error}")
        return _end_job(scope, code, f"dtrain: {_who(scope)}: {error}")
    except KeyboardInterrupt:
        return _end_job(scope, 130, "dtrain: interrupted, nothing saved since the last checkpoint")
    except Exception:
        return _end_job(scope, FAILED, f"{traceback.format_exc()}dtrain: {_who(scope)} failed; see above")


def _is_alone(scope: Scope) -> bool:
    return scope.launched is None or scope.launched.size == 1


def _leave_together(scope: Scope, code: int, message: str) -> int:
    """Rank 0 speaks and leaves first: Open MPI kills every rank at the first exit code that is not 0."""
    if scope.rank == 0:
        _say(message)
    scope.close()
    if scope.rank != 0:
        time.sleep(1.0)
    return code


def _end_job(scope: Scope, code: int, message: str) -> int:
    _say(message)
    if scope.communicator is not None and scope.communicator.size > 1:
        scope.communicator.abort(code)
    return code


def _who(scope: Scope) -> str:
    if _is_alone(scope):
        return f"the run ({scope.where()})"
    assert scope.launched is not None
    return f"rank {scope.rank} of {scope.launched.size} on {platform.node()} ({scope.where()})"


def _say(message: str) -> None:
    sys.stdout.flush()
    os.write(2, f"{message}\n".encode(errors="replace"))  # one write: no other rank's output in between
