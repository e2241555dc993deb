"""What a benchmark shows: where it is, and a table at the end. Standard library only."""

from __future__ import annotations

import sys


def progress(text: str) -> None:
    """One line that is written over; nothing where nobody watches."""
    if sys.stderr.isatty():
        print(f"\r{text}\033[K", end="", file=sys.stderr, flush=True)


def table(head: list[str], rows: list[list[str]]) -> str:
    """As GitHub reads it."""
    return "\n".join(map(_row, [head, ["---", *["---:"] * (len(head) - 1)], *rows]))


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
