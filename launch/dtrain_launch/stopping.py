"""From asking the ranks to leave to killing them."""

import signal
import subprocess
import time

from dtrain_launch.processes import Brood
from dtrain_launch.wording import say

_AFTER_TERMINATE = 2.0
_AFTER_KILL = 0.5


class Stopping:
    """Three steps, each taken when the one before had no effect in its time.

    1. SIGUSR1 to mpirun, which passes it on: the ranks save a checkpoint and leave (`grace` seconds).
       Not SIGTERM: Open MPI would kill the ranks half a second later.
    2. SIGTERM to mpirun (2 seconds).
    3. SIGKILL to every descendant, until mpirun is gone.
    """

    def __init__(self, mpirun: subprocess.Popen[bytes], brood: Brood, grace: float) -> None:
        self._mpirun = mpirun
        self._brood = brood
        self._grace = grace
        self._step = 0
        self._deadline = 0.0

    @property
    def begun(self) -> bool:
        """Whether the ranks have been asked to leave."""
        return self._step > 0

    def seconds_left(self) -> float | None:
        """Until the next step is due; None where nothing has begun."""
        return max(0.0, self._deadline - time.monotonic()) if self.begun else None

    def advance(self) -> None:
        """Take the next step; the last one again and again."""
        patience = (self._ask, self._terminate, self._kill)[min(self._step, 2)]()
        self._step += 1
        self._deadline = time.monotonic() + patience

    def _ask(self) -> float:
        say(f"asked the ranks to save and leave, waiting {self._grace:g} s; Ctrl-C again ends them at once")
        self._mpirun.send_signal(signal.SIGUSR1)
        return self._grace

    def _terminate(self) -> float:
        say("the ranks are still there, terminating them")
        self._mpirun.terminate()
        return _AFTER_TERMINATE

    def _kill(self) -> float:
        self._brood.signal(signal.SIGKILL)
        return _AFTER_KILL
