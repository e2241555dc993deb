"""Which processes descend from this one, and their end. Linux: read from /proc."""

import contextlib
import ctypes
import os
import signal
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_PROC = Path("/proc")


class Process(NamedTuple):
    """A line of the process table; `state` is the letter of ps."""

    pid: int
    parent: int
    state: str

    @property
    def ended(self) -> bool:
        """Whether it is a zombie: ended, and not yet collected by its parent."""
        return self.state in "ZX"


def parse_stat(text: str) -> Process:
    """A process from its /proc/PID/stat: `pid (name) state parent …`, where the name may hold anything."""
    pid, _, rest = text.partition(" ")
    state, parent = rest.rpartition(")")[2].split()[:2]
    return Process(int(pid), int(parent), state)


def process_table() -> list[Process]:
    """All processes that can be seen now."""
    table = []
    for folder in _PROC.glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it ended meanwhile
            table.append(parse_stat((folder / "stat").read_text(errors="replace")))
    return table


def descendants(table: Iterable[Process], root: int, without: Iterable[int] = ()) -> set[int]:
    """The living children of `root`, their children and so on, but for the families of `without`."""
    children: dict[int, list[Process]] = defaultdict(list)
    for process in table:
        children[process.parent].append(process)
    found, open_parents, skipped = set(), [root], set(without)
    while open_parents:
        for child in children[open_parents.pop()]:
            if child.pid not in skipped:
                open_parents.append(child.pid)
                found.update([] if child.ended else [child.pid])
    return found


def die_with_parent() -> Callable[[], None]:
    """A function for a new child to call: it gets SIGTERM when its parent is gone, even by kill -9."""
    prctl = _prctl()
    return lambda: prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def follow_starter(environment: Mapping[str, str]) -> None:
    """Get SIGTERM when the process is gone that DTRAIN_STARTER names, if it has started this one.

    For a Python session that waits for its ranks: its kernel may be restarted.
    """
    if environment.get("DTRAIN_STARTER") == str(os.getppid()):
        die_with_parent()()


class Brood:
    """The processes that this one has started since the `with`, wherever they have moved.

    Not found by process group or session: a daemon leaves both. While the `with` lasts, orphans fall to this
    process, so that a chain of parents leads here from every one of them.
    """

    def __init__(self) -> None:
        self._me = os.getpid()
        self._earlier: set[int] = set()

    def __enter__(self) -> Self:
        self._earlier = {process.pid for process in process_table() if process.parent == self._me}
        _prctl()(_PR_SET_CHILD_SUBREAPER, 1)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _prctl()(_PR_SET_CHILD_SUBREAPER, 0)

    def living(self) -> set[int]:
        """Their process numbers."""
        return descendants(process_table(), self._me, without=self._earlier)

    def signal(self, number: signal.Signals) -> None:
        """Send `number` to each."""
        for pid in self.living():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)

    def clear(self, patience: float = 1.0, limit: float = 5.0) -> None:
        """End and collect all that is left; call it when those who were waited for have been.

        After SIGTERM they have `patience` seconds: helpers of a dead rank tidy up behind it. A process that
        the kernel holds cannot be killed, so nobody waits longer than `limit`.
        """
        start = time.monotonic()
        self.signal(signal.SIGTERM)
        while self.living() and (waited := time.monotonic() - start) < limit:
            if waited >= patience:
                self.signal(signal.SIGKILL)
            time.sleep(0.02)
        self._collect()

    def _collect(self) -> None:
        for process in process_table():
            if process.parent == self._me and process.ended and process.pid not in self._earlier:
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(process.pid, os.WNOHANG)


def _prctl() -> Callable[[int, int], None]:
    system_call = ctypes.CDLL(None).prctl
    system_call.argtypes = [ctypes.c_int, *[ctypes.c_ulong] * 4]

    def prctl(option: int, value: int) -> None:
        system_call(option, value, 0, 0, 0)

    return prctl
