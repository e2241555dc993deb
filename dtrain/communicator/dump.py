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
SECONDS, PAUSE = 1.0, 0.1  # for a process to write its stack, and between two looks at it


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
        file = Path(f"/proc/{pid}/fd/{descriptor}")
        before = len(file.read_bytes())
        os.kill(pid, SIGNAL)
        lines = _settled(file, before).splitlines()
        return "\n".join(reversed(lines[1 : FRAMES + 1]))  # the most recent call last
    return ""


def _settled(file: Path, before: int) -> str:
    """What was written to the file behind its first bytes, once no more comes."""
    last = b""
    for _ in range(round(SECONDS / PAUSE)):
        time.sleep(PAUSE)
        now = file.read_bytes()[before:]
        if now and now == last:
            break
        last = now
    return last.decode(errors="replace")
