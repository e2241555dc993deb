"""The one door that every collective passes: it knows where a rank is, and whether ranks met in one place."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from dtrain.types import Array

Messages: TypeAlias = "Sequence[tuple[int, Array]]"


@dataclass(frozen=True)
class Call:
    """One rank's collective, in words that another process can read."""

    sequence: int
    name: str
    shape: tuple[int, ...] | None = None
    dtype: str | None = None
    sends: tuple[tuple[int, int, str], ...] = ()
    """(peer, elements, dtype) of each message of an exchange."""
    receives: tuple[tuple[int, int, str], ...] = ()

    def __str__(self) -> str:
        if not self.sequence:
            return "no collective yet"
        where = f"{self.name} #{self.sequence}"
        if self.shape is not None:
            return f"{where} of {self.shape} {self.dtype}"
        if self.name == "exchange":
            return f"{where} of {len(self.sends)} sends and {len(self.receives)} receives"
        return where

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Call:
        fields = json.loads(text)
        if fields["shape"] is not None:
            fields["shape"] = tuple(fields["shape"])
        for side in ("sends", "receives"):
            fields[side] = tuple(tuple(message) for message in fields[side])
        return cls(**fields)


class Door:
    """Counts one rank's collectives and remembers the last that it entered, in about 0.1 µs a call."""

    __slots__ = ("name", "sequence", "subject")

    def __init__(self) -> None:
        self.sequence = 0
        self.name = ""
        self.subject: Any = None

    def enter(self, name: str, subject: Any = None) -> None:
        """`subject`: an array, a (shape, dtype), a (sends, receives) of an exchange, or None."""
        self.sequence += 1
        self.name = name
        self.subject = subject

    def call(self) -> Call:
        if self.subject is None:
            return Call(self.sequence, self.name)
        if self.name == "exchange":
            sends, receives = self.subject
            return Call(self.sequence, self.name, sends=_listed(sends), receives=_listed(receives))
        if isinstance(self.subject, tuple):
            shape, dtype = self.subject
        else:
            shape, dtype = self.subject.shape, self.subject.dtype
        return Call(self.sequence, self.name, tuple(map(int, shape)), str(np.dtype(dtype)))

    def where(self) -> str:
        """Returns the last collective that this rank entered: `allgather #17 of (512,) float64`."""
        return str(self.call())


def difference(calls: Sequence[Call]) -> str | None:
    """Returns how the collectives of the ranks differ, rank by rank, or None where all are one."""
    if len({(call.sequence, call.name, call.shape, call.dtype) for call in calls}) > 1:
        return "ranks met in different collectives: " + "; ".join(
            f"rank {rank} in {call}" for rank, call in enumerate(calls)
        )
    return _unmatched(calls)


def check_receive(send: Array, receive: Array, size: int) -> None:
    """Raises ValueError unless `receive` can take `size` arrays like `send`."""
    expected = (size, *send.shape)
    if receive.shape != expected or receive.dtype != send.dtype:
        raise ValueError(
            f"allgather of {send.shape} {send.dtype}: expected a receive of {expected} {send.dtype}, "
            f"got {receive.shape} {receive.dtype}"
        )
    _check_contiguous("allgather", send, receive)


def check_exchange(sends: Messages, receives: Messages, size: int, name: str = "exchange") -> None:
    """Raises ValueError unless every peer is a rank and every array C-contiguous."""
    for peer, array in (*sends, *receives):
        if not 0 <= peer < size:
            raise ValueError(f"{name}: expected a peer from 0 to {size - 1}, got {peer}")
        _check_contiguous(name, array)


def _check_contiguous(name: str, *arrays: Array) -> None:
    for array in arrays:
        if not array.flags.c_contiguous:
            raise ValueError(f"{name}: expected C-contiguous arrays, got strides {array.strides}")


def _listed(messages: Messages) -> tuple[tuple[int, int, str], ...]:
    return tuple((peer, array.size, str(array.dtype)) for peer, array in messages)


def _unmatched(calls: Sequence[Call]) -> str | None:
    """The first message of an exchange that is not received as it was sent."""
    sent: dict[tuple[int, int], list[tuple[int, str]]] = {}
    taken: dict[tuple[int, int], list[tuple[int, str]]] = {}
    for rank, call in enumerate(calls):
        for target, count, dtype in call.sends:
            sent.setdefault((rank, target), []).append((count, dtype))
        for source, count, dtype in call.receives:
            taken.setdefault((source, rank), []).append((count, dtype))
    for source, target in sorted(sent.keys() | taken.keys()):
        pairs = zip_longest(sent.get((source, target), ()), taken.get((source, target), ()))
        for number, (left, right) in enumerate(pairs):
            if left != right:
                return (
                    f"exchange #{calls[source].sequence}: message {number} from rank {source} to rank {target}: "
                    f"rank {source} sends {_words(left)}, rank {target} receives {_words(right)}"
                )
    return None


def _words(message: tuple[int, str] | None) -> str:
    return f"{message[0]} {message[1]}" if message else "nothing"
