"""From asking the ranks to leave to killing them."""

import signal
import subprocess
import time
from pathlib import Path

from dtrain_launch.processes import Brood
from dtrain_launch.wording import say

_LOOK = 1.0
_AFTER_REPORT = 5.0
_AFTER_TERMINATE = 2.0
_AFTER_KILL = 0.5


class Stopping:
    """Three steps, each taken when the one before had no effect in its time.

    1. SIGUSR1 to mpirun, which passes it on: the ranks save a checkpoint and leave (`grace` seconds).
       Not SIGTERM: Open MPI would kill the ranks half a second later.
    2. SIGTERM to mpirun (2 seconds).
    3. SIGKILL to every descendant, until mpirun is gone.

    report: the file that a rank writes when it ends the job; None: it is not looked for. overdue: whether mpirun
    was still there 5 seconds after it, and has had step 2.
    """

    def __init__(
        self, mpirun: subprocess.Popen[bytes], brood: Brood, grace: float, report: Path | None = None
    ) -> None:
        self._mpirun = mpirun
        self._brood = brood
        self._grace = grace
        self._step = 0
        self._deadline = 0.0
        self._report = report
        self._reported: float | None = None
        self.overdue = False

    @property
    def begun(self) -> bool:
        """Whether the ranks have been asked to leave."""
        return self._step > 0

    def seconds_left(self) -> float | None:
        """Until the next step is due, or the next look; None where there is nothing to look at."""
        if not self.begun:
            return None if self._report is None else _LOOK
        return max(0.0, self._deadline - time.monotonic())

    def look(self) -> None:
        """See whether a rank has ended the job without mpirun ending as well; call it once a second."""
        if self._reported is None and self._report is not None and self._report.exists():
            self._reported = time.monotonic()
        if self._reported is not None and time.monotonic() - self._reported > _AFTER_REPORT:
            self.overdue = True
            self._step = 1
            self.advance()

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
        if self.overdue:
            say("the job is over, but mpirun still waits for a host; ending it")
        else:
            say("the ranks are still there, terminating them")
        self._mpirun.terminate()
        return _AFTER_TERMINATE

    def _kill(self) -> float:
        self._brood.signal(signal.SIGKILL)
        return _AFTER_KILL
