"""What one rank does in a step, as the others see it: the collectives that it comes to, and the work between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

Messages: TypeAlias = tuple[tuple[int, int], ...]
"""(peer, bytes) of each message to or from another rank."""


@dataclass(frozen=True)
class Call:
    """One collective. bytes: what an allgather sends of its own. sends, receives: the messages of an exchange."""

    name: str
    bytes: int = 0
    sends: Messages = ()
    receives: Messages = ()

    @classmethod
    def from_list(cls, fields: Sequence[Any]) -> Call:
        """Returns the call of which `as_list` gave the fields."""
        name, count, sends, receives = fields
        return cls(name, count, tuple(map(tuple, sends)), tuple(map(tuple, receives)))

    def as_list(self) -> list[Any]:
        """Returns its fields as JSON values."""
        return [self.name, self.bytes, self.sends, self.receives]


Calls: TypeAlias = tuple[Call, ...]
"""All collectives of one rank's step, in order."""
