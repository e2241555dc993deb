"""What the launcher says, on stderr; a terminal that is gone is no reason to leave the ranks alone."""

import contextlib
import sys


def say(message: str) -> None:
    """One line of the launcher."""
    show(f"dtrain: launch: {message}")


def show(line: str) -> None:
    """One line as it is."""
    with contextlib.suppress(OSError):
        print(line, file=sys.stderr, flush=True)
