"""Where the ranks of a host write what they do, and read what the others do; nobody has to call anybody."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dtrain.communicator.verdict import Row, State

if TYPE_CHECKING:
    from dtrain.types import Array

BYTES = 4096  # of a row: its numbers, then its text
VERSION, BEAT, LENGTH, KILLED = range(4)
HEAD = 4 * 8

STATES = {"T": State.STOPPED, "t": State.TRACED, "Z": State.GONE, "X": State.GONE}


class Board:
    """A row for each rank, in memory that the ranks of a host share; one before them says who speaks.

    A row is read whole or not at all: its version is odd while it is written.
    """

    def __init__(self, size: int, allocate: Callable[[int, Any], Array]) -> None:
        memory = allocate(BYTES * (size + 1), np.uint8).reshape(size + 1, BYTES)
        self._numbers = memory[:, :HEAD].view(np.int64)
        self._texts = memory[1:, HEAD:]
        self.size = size

    def write(self, at: int, row: Row, beat: int | None = None) -> int:
        """Shows a row, and beats, or shows this beat; returns it."""
        text = _fitting(row)
        numbers = self._numbers[at + 1]
        version = int(numbers[VERSION]) | 1
        beat = int(numbers[BEAT]) + 1 if beat is None else beat
        numbers[VERSION] = version
        self._texts[at, : len(text)] = np.frombuffer(text, np.uint8)
        numbers[LENGTH], numbers[BEAT] = len(text), beat
        numbers[VERSION] = version + 1
        return beat

    def read(self, at: int) -> tuple[int, Row] | None:
        """Returns the beat and the row of one rank; None where there is none, or none to be read now."""
        numbers = self._numbers[at + 1]
        for _ in range(3):
            version, beat, length = (int(number) for number in numbers[:KILLED])
            text = self._texts[at, :length].tobytes()
            if not length:
                return None
            if version % 2 == 0 and version == numbers[VERSION]:
                with suppress(ValueError):  # processors that write in another order than they were told
                    return beat, Row.from_json(text.decode())
        return None

    def claim(self, at: int) -> bool:
        """Tells whether this rank is the one that speaks; it is, until it says `free`."""
        said = self._numbers[0]
        if said[0]:
            return False
        said[0] = at + 1
        time.sleep(0.02)  # longer than another rank takes from its look at the number to its own
        return bool(said[0] == at + 1)

    def hush(self) -> None:
        """Nobody speaks any more: what there is to say is being said."""
        self._numbers[0, 0] = -1

    def free(self, at: int) -> None:
        """Lets others speak again, if it is this rank that speaks."""
        if self._numbers[0, 0] == at + 1:
            self._numbers[0, 0] = 0

    def kill(self, at: int) -> None:
        """Notes that a rank is being killed."""
        self._numbers[at + 1, KILLED] = 1

    def killed(self, at: int) -> bool:
        return bool(self._numbers[at + 1, KILLED])


def state_of(pid: int, closer: bool = True) -> State:
    """Returns what the system says of a process of this host; closer: not only whether there is one."""
    try:
        os.kill(pid, 0)
        if not closer:
            return State.RUNS
        letter = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return State.GONE
    return STATES.get(letter, State.RUNS)


def _fitting(row: Row) -> bytes:
    """A row's text; the outer end of a stack is left out where it is too long."""
    text = row.to_json().encode()
    while len(text) > BYTES - HEAD:
        row = replace(
            row, stack=row.stack[len(row.stack) // 4 + 1 :], call=row.call[:200], kind=row.kind[:200]
        )
        text = row.to_json().encode()
    return text
