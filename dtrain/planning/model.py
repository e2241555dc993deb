"""How long a step takes: arithmetic alone, on what was counted and measured. Derived in launch/README.md."""

from __future__ import annotations

from collections.abc import Sequence

from .links import Link, Links
from .placement import Placement
from .trace import Call, Calls

ROUNDS_TO_SETTLE = 3
"""Steps after which the credit of a metered line repeats from step to step."""


def rounds(ranks: int) -> int:
    """Returns ⌈log₂ n⌉: how often each of n ranks must hear of others until it has heard of all."""
    return (ranks - 1).bit_length()


def step_seconds(
    traces: Sequence[tuple[int, Calls]], work: Sequence[float], placement: Placement, links: Links,
    shared_bytes: int = 0,
) -> float:  # fmt: skip
    """Returns the seconds of a step.

    traces: (rank, its collectives) of the ranks that were run, which all come to the same collectives. work: the
    seconds before each of them and after the last, of the rank that takes longest. shared_bytes: that others wrote.
    """
    line = Line(links.network, placement)
    total = 0.0
    for _ in range(ROUNDS_TO_SETTLE):
        total = shared_bytes * links.shared_byte
        line.rest(total)
        under_way = 0.0  # until when what was begun is
        for i, seconds in enumerate(work):
            line.rest(min(seconds, max(0.0, total + seconds - under_way)))
            total += seconds
            if i == len(work) - 1:
                break
            took = max(_call(calls[i], rank, placement, links, line) for rank, calls in traces)
            line.take(took)
            name = traces[0][1][i].name
            if name == "begin":
                under_way = max(total, under_way) + took
            else:
                total = max(total, under_way) if name == "wait" else total + took
    return total


class Line:
    """The way out of a host, as its ranks find it in the course of a step; where it is metered, with its credit.

    A metered line lets `burst` bytes pass at once, and earns one more every `link.byte` seconds.
    """

    def __init__(self, link: Link | None, placement: Placement) -> None:
        self._link, self._most = link, placement.most
        self._credit = self._used = self._paced = 0.0

    def seconds(self, bytes: float) -> float:
        """Returns how long it takes a host to send so many bytes."""
        assert self._link is not None, "ranks on several hosts need a network"
        at_once = min(bytes, self._credit)
        paced = (bytes - at_once) * self._link.byte
        self._used, self._paced = max(self._used, at_once), max(self._paced, paced)
        return at_once * self._link.burst_byte + paced

    def take(self, took: float) -> None:
        """Takes what the last collective has used off the credit; in what it took beyond its paced bytes, more came."""
        self._credit, self._used = self._credit - self._used, 0.0
        self.rest(max(0.0, took - self._paced))
        self._paced = 0.0

    def rest(self, seconds: float) -> None:
        """Lets time pass in which nothing is sent."""
        if self._link is not None and self._link.byte > 0:
            self._credit = min(self._link.burst, self._credit + seconds / self._link.byte)


def _call(call: Call, rank: int, placement: Placement, links: Links, line: Line) -> float:
    if call.name == "barrier":
        return _rounds("barrier", placement, links)
    if call.name == "allgather":
        return _rounds("gather", placement, links) + _gathered(call.bytes, placement, links, line)
    if call.name in ("exchange", "begin"):
        return _exchange(call, rank, placement, links, line)
    return 0.0


def _rounds(what: str, placement: Placement, links: Links) -> float:
    """What goes round: between hosts, then among the ranks of each."""
    seconds: float = rounds(placement.most) * getattr(links.host, what)
    if placement.hosts > 1:
        assert links.network is not None, "ranks on several hosts need a network"
        seconds += rounds(placement.hosts) * getattr(links.network, what)
    return seconds


def _gathered(bytes: int, placement: Placement, links: Links, line: Line) -> float:
    """A ring: everybody's part passes every rank, so every line between two neighbours once."""
    passing = (placement.size - 1) * bytes
    return line.seconds(passing) if placement.hosts > 1 else passing * links.host.byte


def _exchange(call: Call, rank: int, placement: Placement, links: Links, line: Line) -> float:
    """Both directions at once; the ranks of a host, which all have as much to send, share its line."""
    home = placement.host_of[rank]
    here, away = [0, 0], [0, 0]
    for way, messages in enumerate((call.sends, call.receives)):
        for peer, count in messages:
            (here if placement.host_of[peer] == home else away)[way] += count
    seconds = 0.0
    if max(here):
        seconds += links.host.exchange + max(here) * links.host.byte
    if max(away):
        assert links.network is not None, "ranks on several hosts need a network"
        seconds += links.network.exchange + line.seconds(max(away) * placement.ranks[home])
    return seconds
