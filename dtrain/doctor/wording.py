"""Numbers and names as findings spell them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

_UNITS = ("bytes", "kB", "MB", "GB", "TB", "PB")


def size(count: float) -> str:
    """`16.8 MB`: powers of 1000."""
    power = 0
    while count >= 1000 and power < len(_UNITS) - 1:
        count, power = count / 1000, power + 1
    return f"{count:.3g} {_UNITS[power]}" if power else f"{int(count)} bytes"


def counted(count: int, noun: str) -> str:
    """`1 rank`, `2 ranks`, `3 processes`."""
    return f"{count:,} {noun}{'' if count == 1 else 'es' if noun.endswith('s') else 's'}"


def grouped(values: Mapping[str, str]) -> str:
    """Who has what: `3.11.7 on a, b; 3.12.1 on c`."""
    holders: dict[str, list[str]] = {}
    for host, value in values.items():
        holders.setdefault(value, []).append(host)
    return "; ".join(f"{value} on {', '.join(hosts)}" for value, hosts in holders.items())


def runs(numbers: Iterable[int]) -> str:
    """`0-3, 6`."""
    spans: list[list[int]] = []
    for number in sorted(numbers):
        if spans and spans[-1][1] == number - 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in spans)


_TELLING = re.compile(
    r"error|fatal|abort|cannot|failed|refuse|not enough|unable|denied|no such|not found", re.I
)


def telling_lines(said: Sequence[str], count: int = 3) -> str:
    """The first line that sounds like a cause, and those after it, as one; otherwise the last ones."""
    words = [" ".join(line.split()) for line in said if any(letter.isalnum() for letter in line)]
    first = next((at for at, line in enumerate(words) if _TELLING.search(line)), max(0, len(words) - count))
    return " / ".join(words[first : first + count])
