"""The processes or threads that share a job, and how they talk.

protocol     what the engine asks of them
serial       one rank
threads      N ranks in this process
mpi          N processes; the only module of dtrain that imports mpi4py
mail, requests   what was begun and is not done, between threads and under MPI
counting     any of them, with its calls, messages and bytes counted
open         which of them a process gets
environment  what the launcher's environment says
memory       arrays that every rank of a host can address
door         where a rank is: the number, name, shape and dtype of its collective
watchdog     the thread that ends what would hang
place, board, post, verdict, dump, telling   what it shows, where it looks, how it judges, what it says
leaving      what happens to the others when a process ends

Names are loaded when they are first used: importing this package imports neither NumPy nor mpi4py.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_HOME = {
    "Communicator": "dtrain.communicator.protocol",
    "CountingCommunicator": "dtrain.communicator.counting",
    "Launched": "dtrain.communicator.environment",
    "MpiCommunicator": "dtrain.communicator.mpi",
    "SerialCommunicator": "dtrain.communicator.serial",
    "ThreadCommunicator": "dtrain.communicator.threads",
    "launched": "dtrain.communicator.environment",
    "open_communicator": "dtrain.communicator.open",
    "run_ranks": "dtrain.communicator.threads",
}

__all__ = sorted(_HOME)

if TYPE_CHECKING:
    from dtrain.communicator.counting import CountingCommunicator as CountingCommunicator
    from dtrain.communicator.environment import Launched as Launched
    from dtrain.communicator.environment import launched as launched
    from dtrain.communicator.mpi import MpiCommunicator as MpiCommunicator
    from dtrain.communicator.open import open_communicator as open_communicator
    from dtrain.communicator.protocol import Communicator as Communicator
    from dtrain.communicator.serial import SerialCommunicator as SerialCommunicator
    from dtrain.communicator.threads import ThreadCommunicator as ThreadCommunicator
    from dtrain.communicator.threads import run_ranks as run_ranks


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'dtrain.communicator' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return list(__all__)
