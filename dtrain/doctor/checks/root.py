"""Who the user is: Open MPI refuses root."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from ..finding import Finding, ok
from ..world import Facts, World

_MARKS = (Path("/.dockerenv"), Path("/run/.containerenv"))
_ALLOW = "OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1"


def look(_: Facts) -> Facts:
    inside = any(mark.exists() for mark in _MARKS) or "KUBERNETES_SERVICE_HOST" in os.environ
    return {"user": os.getuid(), "container": inside}


def judge(world: World) -> Iterator[Finding]:
    found = world.here.fact("root")
    if found is None or found["user"] != 0:
        return
    who = f"you are root{' in a container' if found['container'] else ''}"
    if world.mpirun is not None and world.mpirun.family == "open_mpi":
        yield ok(f"{who}, whom Open MPI refuses; `dtrain launch` sees to it, a bare mpirun needs {_ALLOW}")
    else:
        yield ok(who)
