"""Which communicator a process gets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from dtrain.communicator import environment

if TYPE_CHECKING:
    from dtrain.communicator.environment import Launched
    from dtrain.communicator.protocol import Communicator


def open_communicator(launched: Launched | None = None, mpi: bool | Literal["auto"] = "auto") -> Communicator:
    """Returns the communicator of this process.

    launched: what `environment.launched()` says; None asks it.
    mpi: "auto" initialises MPI only under a launcher with more than one rank; True always; False never.

    Raises:
        UserError: MPI is wanted and missing, or belongs to another launcher.
    """
    launched = environment.launched() if launched is None else launched
    if mpi is True or (mpi == "auto" and launched is not None and launched.size > 1):
        from dtrain.communicator.mpi import MpiCommunicator

        return MpiCommunicator()
    from dtrain.communicator.serial import SerialCommunicator

    return SerialCommunicator()
