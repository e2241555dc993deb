"""The entry points that distributions offer, read once a process, and anew when an installation has changed.

To read them opens the metadata of every distribution; to look whether any has changed takes a few dates of files.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint, entry_points
from typing import NamedTuple

from .markers import PROJECT


class Found(NamedTuple):
    """An entry point, and the name and version of its distribution."""

    point: EntryPoint
    distribution: str
    version: str


_last: tuple[object, list[Found]] | None = None
_infos: dict[str, tuple[object, list[str]]] = {}
"""For each folder of the path: its date, and the folders of distributions in it."""


def installed() -> list[Found]:
    """Returns the entry points of dtrain's group, in no order."""
    global _last
    last, state = _last, ((*sys.path,), (*map(id, sys.meta_path),), (*_dates(),))
    if last is None or last[0] != state:
        _last = last = state, [_found(point) for point in entry_points(group=PROJECT)]
    return last[1]


def _found(point: EntryPoint) -> Found:
    name, version = (point.dist.name, point.dist.version) if point.dist else (None, None)
    return Found(point, name or "unknown", version or "of unknown version")


def _dates() -> Iterator[object]:
    """Yields what changes when a distribution comes, goes or offers something else.

    The date of a folder is no part of it: it changes with every file, and the working directory is on the path.
    """
    for folder in sys.path:
        for info in _infos_in(folder or "."):
            yield info, _date(info)
            yield _date(f"{info}/entry_points.txt")


def _infos_in(folder: str) -> list[str]:
    date, known = _date(folder), _infos.get(folder)
    if known is None or known[0] != date or date is None:
        _infos[folder] = known = date, _listed(folder)
    return known[1]


def _listed(folder: str) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return [entry.path for entry in entries if entry.name.endswith((".dist-info", ".egg-info"))]
    except NotADirectoryError:  # a zip file
        return [folder]
    except OSError:
        return []


def _date(path: str) -> tuple[int, int, int] | None:
    try:
        status = os.stat(path)  # noqa: PTH116  # hundreds of them: a Path takes longer to make than the call
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
