"""Every rank's JSON value on every rank, by MPI, without pickle."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from zlib import crc32

import numpy as np

if TYPE_CHECKING:
    from mpi4py import MPI


class WordsLost(Exception):
    """MPI returned without an error, and without what was sent: Open MPI may, when a rank dies meanwhile."""


def share_words(comm: MPI.Comm, value: Any) -> list[Any]:
    """Returns every rank's value, in rank order. A collective. Raises WordsLost."""
    text = json.dumps(value).encode()
    own = np.frombuffer(text, np.uint8)
    heads = np.zeros((comm.size, 2), np.int64)
    comm.Allgather(np.array([own.size, crc32(text)], np.int64), heads)
    lengths = heads[:, 0]
    if lengths.min() < 1:
        raise WordsLost
    ends = np.cumsum(lengths)
    everything = np.zeros(ends[-1], np.uint8)
    comm.Allgatherv(own.view("b"), (everything.view("b"), (lengths, ends - lengths)))
    parts = [part.tobytes() for part in np.split(everything, ends[:-1])]
    if [crc32(part) for part in parts] != heads[:, 1].tolist():
        raise WordsLost
    return [json.loads(part) for part in parts]
