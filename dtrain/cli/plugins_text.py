"""Plain text for a terminal of 100 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

WIDTH = 100
_WHOLE_WORDS: Any = {"break_long_words": False, "break_on_hyphens": False, "replace_whitespace": False}


def columns(rows: Sequence[Sequence[str | None]]) -> str:
    """Returns rows as aligned columns; the last column is wrapped. None and "" are shown as `-`."""
    cells = [[cell or "-" for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)][:-1]
    return "\n".join(_row(row, widths) for row in cells)


def _row(row: Sequence[str], widths: Sequence[int]) -> str:
    head = "".join(f"{cell:<{width}}  " for cell, width in zip(row[:-1], widths, strict=True))
    room = max(WIDTH - len(head), 30)
    first, *rest = textwrap.wrap(row[-1], room, **_WHOLE_WORDS) or [""]
    return "\n".join([head + first, *(" " * len(head) + line for line in rest)])


def paragraph(text: str, indent: str = "  ") -> str:
    """Returns text indented. What is too long for the terminal runs on into the next line of its paragraph."""
    lines: list[str] = []
    over = ""
    for line in [*text.splitlines(), ""]:
        if over and (not line or line[0].isspace()):
            lines += _wrapped(over)
            over = ""
        first, *rest = _wrapped(f"{over} {line}" if over else line)
        lines.append(first)
        over = " ".join(rest)
    return "\n".join((indent + line).rstrip() for line in lines[:-1])


def _wrapped(line: str) -> list[str]:
    return textwrap.wrap(line, WIDTH - 2, **_WHOLE_WORDS) or [""]
