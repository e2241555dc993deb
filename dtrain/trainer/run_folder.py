"""The folder of a run: what was asked, what it ran on, what came out. Written by one rank, file by file whole."""

from __future__ import annotations

import json
import os
import platform
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from time import strftime
from typing import Any

from dtrain.errors import ConfigError

MARKS = ("config.toml", "metrics.jsonl", "checkpoints", "summary.json")
"""Any of these says that a folder holds a run."""

FILES = (*MARKS, "plugins.json", "ranks.json", "environment.json")


def default_folder(name: str) -> Path:
    """Returns `runs/<name>-<time>`, free as of now."""
    stem = Path("runs") / f"{name}-{strftime('%Y%m%d-%H%M%S')}"
    folder, n = stem, 1
    while folder.exists():
        n += 1
        folder = stem.with_name(f"{stem.name}-{n}")
    return folder


def holds_run(folder: Path) -> bool:
    """Tells whether there is a run in the folder."""
    return any((folder / name).exists() for name in MARKS)


def check_folder(folder: Path, *, resume: bool, overwrite: bool) -> None:
    """Raises ConfigError when a run cannot go into this folder; leaves nothing behind."""
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"--out {folder}: expected a folder, got a file")
    if holds_run(folder) and not (resume or overwrite):
        raise ConfigError(
            f"--out {folder}: there is a run in it; --resume goes on with it, --overwrite replaces it"
        )
    existing = folder
    while not existing.exists():
        existing = existing.parent
    if not existing.is_dir():
        raise ConfigError(f"--out {folder}: expected a folder at {existing}, got a file")
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        raise ConfigError(f"--out {folder}: cannot write to {existing}: {error.strerror}") from error


def write_whole(path: Path, text: str) -> None:
    """Writes a file so that it is there whole or not at all."""
    aside = path.with_name(f".{path.name}.tmp")
    with aside.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)


class RunFolder:
    """Writes the files of a run; on ranks that do not write, every call does nothing."""

    def __init__(self, path: Path, writes: bool) -> None:
        self.path, self.writes = path, writes
        self.checkpoints = path / "checkpoints"

    def create(self, overwrite: bool) -> None:
        """Makes the folder; `overwrite` removes the files of a run that is in it, and no others."""
        if not self.writes:
            return
        if overwrite:
            for name in FILES:
                target = self.path / name
                if target.is_dir():
                    shutil.rmtree(target)
                else:
                    target.unlink(missing_ok=True)
        self.checkpoints.mkdir(parents=True, exist_ok=True)

    def write_json(self, name: str, value: Any) -> None:
        """Writes one JSON file."""
        if self.writes:
            write_whole(self.path / name, json.dumps(value, indent=2, allow_nan=True) + "\n")

    def write_text(self, name: str, text: str) -> None:
        """Writes one text file."""
        if self.writes:
            write_whole(self.path / name, text)

    def append_metrics(self, line: Mapping[str, Any]) -> None:
        """Adds one line to metrics.jsonl."""
        if self.writes:
            with (self.path / "metrics.jsonl").open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")

    def cut_metrics(self, epochs: int) -> None:
        """Drops the lines of epochs after `epochs`, which a resumed run will write again."""
        path = self.path / "metrics.jsonl"
        if self.writes and path.exists():
            lines = path.read_text(encoding="utf-8").splitlines()
            kept = [line for line in lines if _epoch_of(line) <= epochs]
            write_whole(path, "".join(f"{line}\n" for line in kept))

    def unfinish(self) -> None:
        """Removes the mark that a run has ended, when it goes on."""
        if self.writes:
            (self.path / "summary.json").unlink(missing_ok=True)


def _epoch_of(line: str) -> float:
    try:
        return float(json.loads(line)["epoch"])
    except (ValueError, KeyError, TypeError):  # torn by a crash
        return float("inf")


def whoami(rank: int) -> dict[str, Any]:
    """Returns the rank, host and process of the caller."""
    return {"rank": rank, "host": platform.node(), "pid": os.getpid()}


def environment() -> dict[str, Any]:
    """Returns what the promise of equal bits depends on: processor, Python, NumPy, BLAS, threads."""
    import numpy as np
    from threadpoolctl import threadpool_info

    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "blas": [
            {key: pool.get(key) for key in ("internal_api", "version", "architecture", "num_threads")}
            for pool in threadpool_info()
        ],
        "threads": {name: value for name, value in os.environ.items() if name.endswith("_NUM_THREADS")},
        "processor": _processor(),
        "system": platform.platform(),
    }


def _processor() -> str:
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8") as file:
            return next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()
