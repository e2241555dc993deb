"""Run a command to its end: signals passed on, no process left behind, one account of how it ended."""

import contextlib
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from dtrain_launch.processes import Brood, die_with_parent
from dtrain_launch.stopping import Stopping

_EXIT_CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 143, signal.SIGUSR1: 143}


_INTERRUPTED = (130, 143)


class End(NamedTuple):
    """How mpirun ended.

    received: the first signal that asked the launcher to stop, if any. overdue: whether the job was over before,
    and mpirun had to be ended, too.
    """

    status: int
    received: signal.Signals | None = None
    overdue: bool = False

    @property
    def wanted(self) -> bool:
        """Whether somebody asked for it: the launcher was, or the ranks themselves, which saved and left."""
        return self.received is not None or (self.status in _INTERRUPTED and not self.overdue)

    @property
    def code(self) -> int:
        """dtrain's exit code: that of the signal received, otherwise what it says itself, and 1 for all else,

        since each MPI has its own numbers for a lost rank.
        """
        if self.received is not None:
            return _EXIT_CODES[self.received]
        if self.overdue:
            return 1
        return self.status if self.status in (0, 2, *_INTERRUPTED) else 1

    def __str__(self) -> str:
        if self.overdue:
            return "mpirun had to be ended"
        if self.status < 0:
            return f"mpirun was ended by signal {-self.status}"
        return f"mpirun ended with exit code {self.status}"


Release = Callable[[], None]


@contextlib.contextmanager
def signals_held() -> Iterator[Release]:
    """Keep the signals that ask to stop waiting, to be fetched one by one; gives what undoes it in a child."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {*_stop_signals(), signal.SIGCHLD})

    def release() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

    try:
        yield release
    finally:
        release()


def supervise(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    grace: float,
    release: Release,
    report: Path | None = None,
) -> End:
    """Run `arguments` in a session of its own until all its processes are gone; within `signals_held`.

    report: the file that a rank writes when it ends the job. From then on mpirun has 5 seconds: it would wait for
    the daemon of a host that is out of reach for as long as the network does.

    SIGINT, SIGTERM, SIGHUP (the terminal is gone; not under nohup) and SIGUSR1 (a scheduler's warning) stop
    the ranks as in `Stopping`. For a process with one thread.
    """
    with Brood() as brood:
        mpirun = _start(arguments, environment, release)
        stopping = Stopping(mpirun, brood, grace, report)
        received = _watch(mpirun, stopping, _stop_signals())
        brood.clear()
    return End(mpirun.returncode, received, stopping.overdue)


def pause(seconds: float) -> signal.Signals | None:
    """Wait, within `signals_held`; a signal that asks to stop ends it and is returned."""
    return _next_signal(_stop_signals(), seconds)


def _stop_signals() -> set[signal.Signals]:
    """SIGINT also where a shell has made it ignored for a job in the background; SIGHUP not under nohup."""
    stops = set(_EXIT_CODES)
    if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
        stops.remove(signal.SIGHUP)
    return stops


def _start(
    arguments: Sequence[str], environment: Mapping[str, str], release: Release
) -> subprocess.Popen[bytes]:
    follow = die_with_parent()

    def in_child() -> None:
        release()
        follow()

    # Its own session: a Ctrl-C in the terminal reaches us alone, and the ranks get the time to save.
    return subprocess.Popen(
        arguments, env=environment, stdin=subprocess.DEVNULL, start_new_session=True, preexec_fn=in_child
    )


def _watch(
    mpirun: subprocess.Popen[bytes], stopping: Stopping, stops: set[signal.Signals]
) -> signal.Signals | None:
    """Wait for the end of mpirun; returns the first signal that asked for it."""
    first = None
    while mpirun.poll() is None:
        received = _next_signal({*stops, signal.SIGCHLD}, stopping.seconds_left())
        if received in stops:
            first = first or received
        # A second SIGTERM does not hurry: schedulers and shells send several.
        if received is None and not stopping.begun:
            stopping.look()
        elif received is None or received == signal.SIGINT or (received in stops and not stopping.begun):
            stopping.advance()
    return first


def _next_signal(signals: set[signal.Signals], timeout: float | None) -> signal.Signals | None:
    """The next of `signals`, or None after `timeout` seconds (None: never)."""
    if timeout is None:
        return signal.Signals(signal.sigwait(signals))
    found = signal.sigtimedwait(signals, timeout)
    return None if found is None else signal.Signals(found.si_signo)
