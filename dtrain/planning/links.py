"""What a message costs, within a host and between hosts: the figures that the model is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Link:
    """One level of the machine: between ranks of a host, or between hosts. Seconds and bytes.

    exchange: until messages that go both ways at once have arrived, of no length. gather, barrier: one round of an
    allgather and of a barrier. byte: one more byte, each way. burst: bytes that go faster after a pause, at
    burst_byte seconds each, because the line is metered (a token bucket); 0 where it is not.
    """

    exchange: float
    gather: float
    barrier: float
    byte: float
    burst: float = 0.0
    burst_byte: float = 0.0

    def as_dict(self) -> dict[str, float]:
        """Returns its figures."""
        return asdict(self)

    @classmethod
    def from_dict(cls, figures: Mapping[str, Any]) -> Link:
        """Returns the link of which `as_dict` gave the figures."""
        return cls(**figures)


@dataclass(frozen=True)
class Links:
    """host: between ranks of one host. network: between hosts. shared_byte: for a rank to take over a byte of shared
    memory that another has just written, beyond what it costs to read its own."""

    host: Link
    network: Link | None = None
    shared_byte: float = 0.0


NOTHING = Link(0.0, 0.0, 0.0, 0.0)
"""Where nobody is there to talk to."""
