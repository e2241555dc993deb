"""What a plan says: for programs, and as a table for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from math import log2
from typing import Any

from .against import Compared
from .links import Link, Links

LEAST_EFFICIENCY = 0.5
"""Of what so many ranks could do at best; with less, more ranks are a waste."""

LEAST_GAIN = 0.1
"""Part of a step's time that twice the ranks must save; with less, they are a waste."""


@dataclass(frozen=True)
class Row:
    """One number of ranks. seconds: of a step. waiting: the part of it in which a rank does not compute.

    line: the part in which the line of a host is busy. messages, bytes: that a rank sends in a step, at most. memory:
    bytes that a rank holds at most.
    """

    ranks: int
    hosts: int
    seconds: float
    samples_per_second: float
    speed_up: float
    waiting: float
    line: float
    messages: float
    bytes: float
    memory: int

    @property
    def efficiency(self) -> float:
        """The speed-up over the number of ranks."""
        return self.speed_up / self.ranks


def limit_of(rows: Sequence[Row]) -> int:
    """Returns the number of ranks past which more are a waste, of those in the rows, the first of which counts 1.

    More are worth it where a step gets shorter by LEAST_GAIN for each doubling, at LEAST_EFFICIENCY at least.
    """
    best = rows[0]
    for row in rows[1:]:
        doublings = log2(row.ranks / best.ranks)
        shorter = row.seconds <= best.seconds * (1 - LEAST_GAIN) ** doublings
        if not shorter or row.efficiency < LEAST_EFFICIENCY:
            break
        best = row
    return best.ranks


@dataclass(frozen=True)
class Plan:
    """What is expected of a config on each number of ranks. links: what messages cost. notes: what to know besides.

    rows: the first is one rank, with which all others are compared.
    """

    name: str
    parameters: int
    batch: int
    rows: tuple[Row, ...]
    links: Links
    advice: str
    notes: tuple[str, ...] = ()
    compared: Compared | None = None

    @property
    def limit(self) -> int:
        """The number of ranks past which more are a waste."""
        return limit_of(self.rows)

    def as_dict(self) -> dict[str, Any]:
        """Returns all of it as JSON values."""
        told = asdict(self)
        for row, table in zip(self.rows, told["rows"], strict=True):
            table["efficiency"] = row.efficiency
        return told | {"limit": self.limit}

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield f"{self.name}: {self.parameters:,} parameters, batches of {self.batch:,}"
        for what, link in (("within a host", self.links.host), ("between hosts", self.links.network)):
            if link is not None and link.byte:
                yield f"{what}: {_link(link)}"
        yield ""
        yield from _table([HEAD, *(_cells(row) for row in self.rows)])
        yield ""
        for note in self.notes:
            yield f"note: {note}"
        if self.compared is not None:
            yield str(self.compared)
        if self.limit < self.rows[-1].ranks:
            yield (
                f"more than {self.limit:,} rank{'s are' if self.limit > 1 else ' is'} a waste: beyond, a step gets "
                f"less than {LEAST_GAIN:.0%} shorter for each doubling, or efficiency falls below "
                f"{LEAST_EFFICIENCY:.0%}"
            )
        yield f"advice: {self.advice}"


HEAD = [
    "ranks",
    "hosts",
    "step",
    "samples/s",
    "speed-up",
    "efficiency",
    "waiting",
    "messages",
    "sent",
    "memory",
]


def _cells(row: Row) -> list[str]:
    return [
        f"{row.ranks:,}",
        f"{row.hosts:,}",
        duration(row.seconds),
        f"{row.samples_per_second:,.0f}",
        f"{row.speed_up:.2f}",
        f"{row.efficiency:.0%}",
        f"{row.waiting:.0%}",
        f"{row.messages:,.0f}",
        size(row.bytes),
        size(row.memory),
    ]


def _table(lines: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        yield "  ".join(f"{cell:>{width}}" for cell, width in zip(line, widths, strict=True))


def _link(link: Link) -> str:
    burst = f", the first {size(link.burst)} after a pause faster" if link.burst else ""
    return f"{duration(link.exchange)} for messages to and fro, {size(1 / link.byte)}/s each way{burst}"


def duration(seconds: float) -> str:
    """Returns seconds with three digits and a unit."""
    for unit, factor in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= factor:
            return f"{seconds / factor:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


def size(bytes: float) -> str:
    """Returns bytes with three digits and a unit, by 1,000."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if bytes >= 0.9995 * factor:
            return f"{bytes / factor:.3g} {unit}"
    return f"{bytes:.0f} B"
