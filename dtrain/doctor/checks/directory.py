"""The working directory: there on every host, the same one, writable, with room."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ..finding import Finding, fail, ok, warn
from ..wording import size
from ..world import Facts, World

TOKEN = ".dtrain-doctor-"
_LITTLE = 1_000_000_000


def look(asked: Facts) -> Facts:
    """Whether the token that this host is asked for is there; leaves one of its own beside it.

    asked: `directory`, `token` (none on the host that asks) and `own`, names of the two.
    """
    folder = Path(asked.get("directory", "."))
    found: Facts = {"path": str(folder), "there": folder.is_dir(), "sees": None, "free": 0, "why": ""}
    if not found["there"]:
        return found
    if asked.get("token"):
        found["sees"] = (folder / asked["token"]).exists()
    try:
        if asked.get("own"):
            (folder / asked["own"]).touch()
    except OSError as error:
        found["why"] = error.strerror or str(error)
    with suppress(OSError):
        room = os.statvfs(folder)
        found["free"] = room.f_bavail * room.f_frsize
    return found


def judge(world: World) -> Iterator[Finding]:
    good = []
    for host, found in world.answering("directory"):
        path = found["path"]
        if not found["there"]:
            yield fail(
                f"{host.name} has no {path}, from where the ranks are started", *_share(host.name, path)
            )
        elif found["why"]:
            yield fail(
                f"{host.name} cannot write in {path}: {found['why']}",
                f"{world.on(host, f'ls -ld {path}')}   # whose it is; start where you can write",
            )
        elif found["sees"] is False or found.get("seen") is False:
            yield fail(
                f"{path} on {host.name} is another directory of that name, not this one",
                *_share(host.name, path),
            )
        else:
            good.append((host, found))
    for host, found in good:
        need = 4 * world.model["bytes"] if world.model and "bytes" in world.model else _LITTLE
        if found["free"] < need:
            yield warn(
                f"{host.name}: {size(found['free'])} free in {found['path']}, little for checkpoints of a run",
                "train --out DIR on another disk, or keep fewer: --set checkpoint.keep=1 --set checkpoint.best=false",
            )
            return
    if good and len(good) == sum(1 for _ in world.answering("directory")):
        names = [host.name for host, _ in good]
        shared = f"shared by {', '.join(names)}; " if len(names) > 1 else ""
        yield ok(f"{good[0][1]['path']}: can be written; {shared}{size(good[0][1]['free'])} free")


def _share(host: str, path: str) -> tuple[str, ...]:
    return (
        f"start in a directory that {host} has mounted, too (NFS or another shared file system), not in {path}",
        "findmnt -T .   # which file system this one is on",
    )
