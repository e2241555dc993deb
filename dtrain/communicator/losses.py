"""What Open MPI says when ranks have died (User-Level Failure Mitigation), and how to leave after that."""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mpi4py import MPI


def can_recover(environ: Mapping[str, str] = os.environ) -> bool:
    """Tells whether the job was started so that the ranks that are left may go on: `mpirun --with-ft ulfm`."""
    return environ.get("OMPI_MCA_mpi_ft_enable") == "1"


class Losses:
    """Tells the loss of a rank from other errors of MPI."""

    def __init__(self, mpi: Any) -> None:
        # Waitall raises ERR_IN_STATUS, a Barrier ERR_OTHER: whether it was a loss, `shrink` finds out.
        names = ("ERR_PROC_FAILED", "ERR_PROC_FAILED_PENDING", "ERR_REVOKED", "ERR_IN_STATUS", "ERR_OTHER")
        self._classes = {getattr(mpi, name) for name in names}

    def is_one(self, error: MPI.Exception) -> bool:
        """Tells whether an error may be the loss of a rank."""
        return error.Get_error_class() in self._classes


class Ending:
    """Ends MPI when the process ends, in place of mpi4py, which does not know whether a rank was lost.

    lost: whether one was. MPI_Finalize may then wait for the dead for ever, and is left out.
    """

    def __init__(self) -> None:
        self.lost = False
        self._mpi: Any = None

    def watch(self, mpi: Any) -> None:
        """Takes charge of this process's MPI."""
        if self._mpi is None:
            self._mpi = mpi
            atexit.register(self._at_exit)

    def leave(self, code: int) -> None:
        """Ends the process with this exit code where a rank was lost; otherwise returns."""
        if self.lost:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def _at_exit(self) -> None:
        self.leave(int(hasattr(sys, "last_type")))  # set by an error that nobody caught
        if not self._mpi.Is_finalized():
            self._mpi.Finalize()


ENDING = Ending()
"""Of this process."""
