"""The stack of a process that does not answer: Python writes it at a signal, whoever holds its lock."""

from __future__ import annotations

import faulthandler
import os
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path

SIGNAL = signal.SIGUSR2
FRAMES = 6  # of a stack that is shown
SECONDS = 0.2  # for a process to write its stack


class Dump:
    """A file in memory to which this process writes its main thread's stack at SIGUSR2, until `close`.

    Where SIGUSR2 has another meaning already, or this is not the main thread, there is none: descriptor −1.
    """

    def __init__(self) -> None:
        self.descriptor = -1
        main = threading.current_thread() is threading.main_thread()
        if main and hasattr(os, "memfd_create") and signal.getsignal(SIGNAL) == signal.SIG_DFL:
            self.descriptor = os.memfd_create("dtrain stack", os.MFD_CLOEXEC)
            faulthandler.register(SIGNAL, self.descriptor, all_threads=False)

    def close(self) -> None:
        if self.descriptor >= 0:
            faulthandler.unregister(SIGNAL)
            os.close(self.descriptor)
            self.descriptor = -1


def ask_for_stack(pid: int, descriptor: int) -> str:
    """Returns the stack of another process of this host, its `Dump`'s descriptor given; "" where there is none."""
    if descriptor < 0:
        return ""
    with suppress(OSError):
        os.kill(pid, SIGNAL)
        time.sleep(SECONDS)
        lines = Path(f"/proc/{pid}/fd/{descriptor}").read_text(errors="replace").splitlines()
        return "\n".join(reversed(lines[1 : FRAMES + 1]))  # the most recent call last
    return ""
