"""Files that MPI jobs have left behind when they were killed."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from ..finding import Finding, ok, warn
from ..wording import counted, size
from ..world import Facts, World

_SEGMENTS = ("mpich_shm_*", "sm_segment.*", "psm2_shm.*", "vader_segment.*")
_FOLDERS = ("ompi.[0-9]*", "prted.[0-9]*", "prterun.[0-9]*")
"""Session folders, named after the process that made them."""
_LISTED = 8


def look(
    _: Facts, shm: Path = Path("/dev/shm"), temporary: Path = Path("/tmp"), proc: Path = Path("/proc")
) -> Facts:
    """Those of this user that no process holds: segments that none has mapped, folders of none that lives."""
    segments = {path: at for name in _SEGMENTS for path in shm.glob(name) if (at := _identity(path))}
    held = _mapped(proc) if segments else set()
    folders = [path for name in _FOLDERS for path in temporary.glob(name) if _identity(path)]
    dead = sorted(path for path, at in segments.items() if at not in held)
    dead += sorted(path for path in folders if not (proc / path.name.partition(".")[2]).exists())
    blocks = sum(_blocks(path) for path in dead)
    return {
        "files": [str(path) for path in dead],
        "bytes": blocks,
        "living": len(segments) + len(folders) - len(dead),
    }


def _identity(path: Path) -> tuple[int, int] | None:
    """Device and inode of what this user owns."""
    with suppress(OSError):
        found = path.lstat()
        if found.st_uid == os.getuid():
            return found.st_dev, found.st_ino
    return None


def _blocks(path: Path) -> int:
    with suppress(OSError):
        return path.lstat().st_blocks * 512
    return 0


def _mapped(proc: Path) -> set[tuple[int, int]]:
    """Device and inode of every file that a process of this user has mapped."""
    found = set()
    for maps in proc.glob("[0-9]*/maps"):
        with suppress(OSError):
            for line in maps.read_text(errors="replace").splitlines():
                words = line.split(None, 5)
                if len(words) == 6 and words[5].startswith("/dev/shm/"):
                    major, minor = words[3].split(":")
                    found.add((os.makedev(int(major, 16), int(minor, 16)), int(words[4])))
    return found


def judge(world: World) -> Iterator[Finding]:
    clean = []
    for host, found in world.answering("leftovers"):
        files = found["files"]
        if not files:
            clean.append(host.name)
            continue
        yield warn(
            f"{host.name}: {counted(len(files), 'file')} of jobs that have ended, {size(found['bytes'])}",
            world.on(host, f"rm -rf {_spelled(files)}")
            + (_CAREFUL if _many(files) and found["living"] else ""),
        )
    if clean:
        yield ok(f"none on {', '.join(clean)}")


_CAREFUL = "   # when no MPI job runs there: one does now"


def _many(files: list[str]) -> bool:
    return len(files) > _LISTED


def _spelled(files: Iterable[str]) -> str:
    """Each of a few; of many, a pattern for each kind."""
    files = list(files)
    if not _many(files):
        return " ".join(files)
    kinds = {file[: file.rindex("/") + 1] + _stem(file[file.rindex("/") + 1 :]) for file in files}
    return " ".join(sorted(kinds))


def _stem(name: str) -> str:
    return next(pattern for pattern in (*_SEGMENTS, *_FOLDERS) if Path(name).match(pattern))
