"""When a process ends out of turn, the job ends: no rank waits for one that is gone."""

from __future__ import annotations

import atexit
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import TracebackType

    from mpi4py import MPI

GRACE = 3.0  # seconds: ranks that forgot close() may still leave in good order, if they leave together

REPORT = "DTRAIN_REPORT"
"""The variable that names a file for the error that ends a job: [class, message]."""


class Leaving:
    """Watches over the end of one process, until `close`.

    A process that ends without it cannot simply go: MPI_Finalize would wait for ever. After an uncaught error
    it ends the job at once, with the traceback on the screen; otherwise (a sys.exit) it waits `GRACE` for the
    others to end as well before it takes them with it. Exit code 1.

    where: in words, for the message. abort: ends the job with an exit code.
    """

    def __init__(
        self, mpi: Any, comm: MPI.Comm, where: Callable[[], str], abort: Callable[[int], None]
    ) -> None:
        self._mpi = mpi
        self._comm = comm
        self._where, self._abort = where, abort
        self._process = os.getpid()
        self._failed = False
        self._excepthook = sys.excepthook
        sys.excepthook = self._note_failure
        self._threads_hook = threading.excepthook
        threading.excepthook = self._warn
        atexit.register(self._at_exit)

    def close(self, free: bool = True) -> None:
        """Collective: from here on the process may end as it likes. free: not after the loss of a rank."""
        atexit.unregister(self._at_exit)
        if sys.excepthook == self._note_failure:
            sys.excepthook = self._excepthook
        if threading.excepthook == self._warn:
            threading.excepthook = self._threads_hook
        if free:
            self._comm.Free()

    def _note_failure(self, *error: Any) -> None:
        self._failed = True
        self._excepthook(*error)

    def _warn(self, failed: threading.ExceptHookArgs) -> None:
        """An error in a thread of a plugin or a library ends that thread alone; it is said which rank's."""
        self._threads_hook(failed)
        name = failed.thread.name if failed.thread is not None else "a thread"
        if failed.exc_type is not SystemExit:
            print(
                f"dtrain: warning: rank {self._comm.rank} of {self._comm.size}: its thread {name!r} has ended with "
                f"{failed.exc_type.__name__}: {failed.exc_value}; the traceback is above",
                file=sys.stderr,
            )

    def _at_exit(self) -> None:
        forked = os.getpid() != self._process
        if forked or self._mpi.Is_finalized() or (not self._failed and self._everyone_leaves()):
            return
        rank, size = self._comm.rank, self._comm.size
        print(f"dtrain: rank {rank} of {size} ended after {self._where()}; ending the job", file=sys.stderr)
        self._abort(1)

    def _everyone_leaves(self) -> bool:
        deadline = time.monotonic() + GRACE
        try:
            request = self._comm.Ibarrier()
            while not request.Test():
                if time.monotonic() > deadline:
                    return False
                time.sleep(0.01)
        except self._mpi.Exception:  # a rank was lost
            return False
        return True


def exit_if_uncaught(error: BaseException, code: int, rank: int) -> None:
    """End a script with one line and this exit code if it does not catch an error that every rank of its job raised.

    Rank 0 writes the line and exits first: Open MPI kills the other ranks at the first exit code that is not 0.
    """
    before = sys.excepthook

    def hook(kind: type[BaseException], raised: BaseException, trace: TracebackType | None) -> None:
        if raised is not error or hasattr(sys, "ps1"):  # another error, or a prompt at which work goes on
            before(kind, raised, trace)
            return
        if rank == 0:
            print(f"dtrain: {error}", file=sys.stderr, flush=True)
        else:
            time.sleep(1.0)
        raise SystemExit(code)

    sys.excepthook = hook


def tell_starter(kind: str, message: str, environ: Mapping[str, str] = os.environ) -> None:
    """Leaves the error that ends a job, as JSON, to the process that started it, if that asked for it."""
    if environ.get(REPORT):
        with suppress(OSError):
            Path(environ[REPORT]).write_text(json.dumps([kind, message]), encoding="utf-8")
