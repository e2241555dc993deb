"""What a container or a scheduler allows this process: the limits of its control groups, versions 1 and 2."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_TREE = Path("/sys/fs/cgroup")
_OWN = Path("/proc/self/cgroup")
_NO_LIMIT = 1 << 60  # version 1 writes a number near 2⁶³ for none


def cpu_quota(tree: Path = _TREE, own: Path = _OWN) -> float | None:
    """How many cores' time this process may use; None without a limit."""
    quotas = []
    for folder in _folders(tree, own, "cpu"):
        with suppress(OSError, ValueError):
            if (folder / "cpu.max").exists():
                used, period = (folder / "cpu.max").read_text().split()
            else:
                used = (folder / "cpu.cfs_quota_us").read_text()
                period = (folder / "cpu.cfs_period_us").read_text()
            if used != "max" and int(used) > 0:
                quotas.append(int(used) / int(period))
    return min(quotas, default=None)


def memory_left(tree: Path = _TREE, own: Path = _OWN) -> int | None:
    """Bytes until the memory limit is reached; None without a limit. What caches hold counts as free."""
    left = []
    for folder in _folders(tree, own, "memory"):
        for limit, usage, cache in (
            ("memory.max", "memory.current", "inactive_file"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        ):
            with suppress(OSError, ValueError):
                allowed = int((folder / limit).read_text())
                if allowed < _NO_LIMIT:
                    used = int((folder / usage).read_text()) - _stat(folder / "memory.stat", cache)
                    left.append(max(0, allowed - used))
    return min(left, default=None)


def _folders(tree: Path, own: Path, controller: str) -> Iterator[Path]:
    """The group of this process and all those around it; within a container its own is the root."""
    with suppress(OSError, ValueError):
        for line in own.read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers and controller not in controllers.split(","):
                continue
            top = tree / controllers if controllers else tree
            group = top / path.lstrip("/")
            while group != top and top in group.parents:
                yield group
                group = group.parent
            yield top


def _stat(path: Path, name: str) -> int:
    with suppress(OSError):
        for line in path.read_text().splitlines():
            key, _, value = line.partition(" ")
            if key == name:
                return int(value)
    return 0
