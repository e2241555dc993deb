"""The end of the output streams."""

from __future__ import annotations

import os
import sys


def let_go_of_streams() -> None:
    """Flushes the streams; one whose reader has gone is let go, or Python would end with 120 over it."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if not stream.closed:
                stream.flush()
        except OSError:
            _send_nowhere(stream.fileno())


def _send_nowhere(descriptor: int) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)
