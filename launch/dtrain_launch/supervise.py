"""Run a command to its end: signals passed on, no process left behind, one exit code."""

import contextlib
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence

from dtrain_launch.processes import Brood, die_with_parent
from dtrain_launch.stopping import Stopping

_EXIT_CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 143, signal.SIGUSR1: 143}


def supervise(arguments: Sequence[str], environment: Mapping[str, str], grace: float) -> int:
    """Run `arguments` in a session of its own and return dtrain's exit code.

    SIGINT, SIGTERM, SIGHUP (the terminal is gone; not under nohup) and SIGUSR1 (a scheduler's warning) stop
    the ranks as in `Stopping`. The code: that of the first signal received, otherwise 0 and 2 as they came
    and 1 for all else, since each MPI has its own numbers for a lost rank. For a process with one thread.
    """
    stops = _stop_signals()
    with _held_back({*stops, signal.SIGCHLD}) as release, Brood() as brood:
        mpirun = _start(arguments, environment, release)
        received = _watch(mpirun, Stopping(mpirun, brood, grace), stops)
        brood.clear()
    return exit_code(mpirun.returncode, received)


def exit_code(status: int, received: signal.Signals | None) -> int:
    """dtrain's exit code from mpirun's, and from the signal that the launcher received, if any."""
    if received is not None:
        return _EXIT_CODES[received]
    return status if status in (0, 2) else 1


def _stop_signals() -> set[signal.Signals]:
    """SIGINT also where a shell has made it ignored for a job in the background; SIGHUP not under nohup."""
    stops = set(_EXIT_CODES)
    if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
        stops.remove(signal.SIGHUP)
    return stops


@contextlib.contextmanager
def _held_back(signals: set[signal.Signals]) -> Iterator[Callable[[], None]]:
    """Keep `signals` waiting to be fetched one by one; gives the function that undoes it, for a child."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)

    def release() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

    try:
        yield release
    finally:
        release()


def _start(
    arguments: Sequence[str], environment: Mapping[str, str], release: Callable[[], None]
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
        if received is None or received == signal.SIGINT or (received in stops and not stopping.begun):
            stopping.advance()
    return first


def _next_signal(signals: set[signal.Signals], timeout: float | None) -> signal.Signals | None:
    """The next of `signals`, or None after `timeout` seconds (None: never)."""
    if timeout is None:
        return signal.Signals(signal.sigwait(signals))
    found = signal.sigtimedwait(signals, timeout)
    return None if found is None else signal.Signals(found.si_signo)
