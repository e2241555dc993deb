"""A dataset holds the same samples on every rank: it is built again as other ranks would build it."""

from __future__ import annotations

import builtins
import os
import random
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import numpy as np

from .failure import check_equal, check_same_bits
from .imports import modules_of

if TYPE_CHECKING:
    from .subject import Subject

MOST = 2048
"""Samples of one split that are compared, evenly spread."""
_RANKS = (
    "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_LOCAL_RANK", "PMI_RANK", "PMIX_RANK", "MPI_LOCALRANKID",
    "SLURM_PROCID", "SLURM_LOCALID", "RANK", "LOCAL_RANK",
)  # fmt: skip
_SIZES = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_NTASKS", "WORLD_SIZE")
_ADVICE = (
    "all ranks must hold the same samples in the same order: draw from dtrain.Stream(seed, name), sort sets and "
    "listings of folders, and use neither the rank, the clock nor the host; each rank then reads its own rows"
)


def check_same_content(subject: Subject) -> None:
    """Built again, and as each of three ranks, it has the same names, lengths, shapes and samples."""
    dataset = subject.make()
    first = _content(dataset)
    for rank in range(3):
        place = f"built again as rank {rank} of 3"
        with _as_rank(subject, rank):
            again = subject.make()
            other = _content(again)
        check_equal(f"schema, {place}", dataset.schema, again.schema, _ADVICE)
        check_equal(f"what it has, {place}", sorted(first), sorted(other), _ADVICE)
        for name, array in first.items():
            check_same_bits(f"{name}, {place}", array, other[name], _ADVICE)


def _content(dataset: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in ("train", "validation"):
        rows = getattr(dataset, name)
        if rows is None:
            continue
        found[f"number of {name} samples"] = len(rows)
        indices = np.unique(np.linspace(0, len(rows) - 1, min(len(rows), MOST)).astype(np.int64))
        x, y = rows.rows(indices)
        found |= {f"{name} x": x} | ({} if y is None else {f"{name} y": y})
    return found


@contextmanager
def _as_rank(subject: Subject, rank: int) -> Iterator[None]:
    """Makes everything look different that differs between ranks and must not matter."""
    numpy_state, state = np.random.get_state(), random.getstate()
    names = {**dict.fromkeys(_RANKS, str(rank)), **dict.fromkeys(_SIZES, "3")}
    now, listdir, scandir = time.time, os.listdir, os.scandir
    later = 3600.0 * (rank + 1)
    with ExitStack() as stack:
        stack.callback(np.random.set_state, numpy_state)
        stack.callback(random.setstate, state)
        np.random.seed(1000 + rank)
        random.seed(1000 + rank)
        stack.enter_context(patch.dict(os.environ, names))
        stack.enter_context(patch.object(time, "time", lambda: now() + later))
        stack.enter_context(patch.object(time, "time_ns", lambda: int((now() + later) * 1e9)))
        stack.enter_context(patch.object(os, "getpid", lambda: 100_000 + rank))
        if rank % 2:
            stack.enter_context(patch.object(os, "listdir", lambda *at: listdir(*at)[::-1]))
            stack.enter_context(patch.object(os, "scandir", lambda *at: _Reversed(scandir(*at))))
        for module in modules_of(subject):
            if rank % 2 and "set" not in vars(module):
                stack.enter_context(patch.object(module, "set", _OtherOrder, create=True))
        yield


class _Reversed:
    """The entries of a folder in another order, as another host may list them."""

    def __init__(self, entries: Any) -> None:
        with entries:
            self._entries = iter(list(entries)[::-1])

    def __iter__(self) -> Iterator[Any]:
        return self._entries

    def __next__(self) -> Any:
        return next(self._entries)

    def __enter__(self) -> _Reversed:
        return self

    def __exit__(self, *error: object) -> None: ...

    def close(self) -> None: ...


class _AnySet(type):
    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, builtins.set)


class _OtherOrder(builtins.set[Any], metaclass=_AnySet):
    """A set of another order, as another process's hashes make it."""

    def __iter__(self) -> Iterator[Any]:
        return iter(list(super().__iter__())[::-1])
