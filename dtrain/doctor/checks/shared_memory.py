"""The memory that processes of a host share: MPI's in /dev/shm, dtrain's in files without a name."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ..finding import Finding, fail, ok, skip, warn
from ..wording import counted, size
from ..world import Facts, HostReport, World

SHM = Path("/dev/shm")
_MB = 1 << 20


def look(_: Facts) -> Facts:
    return {**_space(), "memfd": _memfd()}


def _space() -> Facts:
    try:
        found = os.statvfs(SHM)
    except OSError as error:
        return {"size": 0, "free": 0, "writable": False, "why": error.strerror}
    total, free = found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize
    return {"size": total, "free": free, "writable": os.access(SHM, os.W_OK | os.X_OK), "why": ""}


def _memfd() -> str:
    """Why no memory can be had without a name; nothing where it can."""
    try:
        descriptor = os.memfd_create("dtrain-doctor", os.MFD_CLOEXEC)
    except (AttributeError, OSError) as error:
        return str(error)
    try:
        os.posix_fallocate(descriptor, 0, mmap.PAGESIZE)
        again = os.open(f"/proc/{os.getpid()}/fd/{descriptor}", os.O_RDWR | os.O_CLOEXEC)
        os.close(again)
    except OSError as error:
        return str(error)
    finally:
        with suppress(OSError):
            os.close(descriptor)
    return ""


def judge(world: World) -> Iterator[Finding]:
    for host, why in world.deaf("/dev/shm"):
        yield skip(f"{host.name}: {why}")
    for host, found in world.seated("/dev/shm"):
        yield from _host(world, host, found)


def needed(family: str | None, ranks: int) -> int:
    """Bytes that must be free in /dev/shm for the ranks of one host, by what the MPIs were seen to need.

    Open MPI 5 refuses a segment where less is free than its 16 MiB, of which it uses a few pages. MPICH 5 took
    11, 21 and 42 MB for 2, 4 and 8 ranks, and ended with SIGBUS where 16, 16 and 32 MB were free.
    """
    return 17 * _MB if family == "open_mpi" else max(16 + 4 * ranks, 6 * ranks) * _MB


def _host(world: World, host: HostReport, found: Facts) -> Iterator[Finding]:
    need = needed(world.mpirun.family if world.mpirun else None, host.ranks)
    free = f"{size(found['free'])} of {size(found['size'])} free"
    if not found["size"] or not found["writable"]:
        yield fail(
            f"{host.name}: there is none that can be written{found['why'] and ': '}{found['why']}",
            world.on(host, "mount -t tmpfs -o mode=1777,size=1g tmpfs /dev/shm"),
        )
    elif found["free"] < need:
        yield fail(
            f"{host.name}: {free}, MPI wants {size(need)} for {counted(host.ranks, 'rank')}",
            world.on(host, "mount -o remount,size=1g /dev/shm") + "   # as root",
            "in Docker: docker run --shm-size=1g …; in Kubernetes: a volume emptyDir with medium: Memory",
            world.on(host, "ls -la /dev/shm") + "   # what fills it; the line on leftovers says what may go",
        )
    else:
        yield ok(f"{host.name}: {free}")
    if found["memfd"]:
        yield warn(
            f"{host.name}: ranks cannot share memory by memfd ({found['memfd']}): each step copies all gradients",
            "a container's seccomp profile may forbid it: docker run --security-opt seccomp=unconfined …",
        )
