"""Which ranks share a host."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import cycle


@dataclass(frozen=True)
class Placement:
    """Ranks on hosts, in order: ranks[h] of them on host h."""

    ranks: tuple[int, ...]

    @property
    def size(self) -> int:
        """All ranks."""
        return sum(self.ranks)

    @property
    def hosts(self) -> int:
        """How many hosts there are."""
        return len(self.ranks)

    @property
    def most(self) -> int:
        """The most ranks on any host."""
        return max(self.ranks)

    @cached_property
    def host_of(self) -> tuple[int, ...]:
        """The host of each rank."""
        return tuple(host for host, count in enumerate(self.ranks) for _ in range(count))


def place(ranks: int, slots: Sequence[int]) -> Placement:
    """Returns where `dtrain launch` puts so many ranks: host after host, each filled up to its slots.

    Where there are more ranks than slots, more hosts of the same kind are imagined.
    """
    placed = []
    for most in cycle(slots):
        placed.append(min(most, ranks))
        ranks -= placed[-1]
        if not ranks:
            return Placement(tuple(placed))
    raise ValueError("expected at least one host")
