"""The folder of a run: what was asked, what it ran on, what came out. Written by one rank, file by file whole."""

from __future__ import annotations

import json
import os
import platform
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cache
from math import inf, isfinite, nan
from pathlib import Path
from time import strftime
from typing import TYPE_CHECKING, Any

from dtrain.config import dump
from dtrain.data import DataRecord
from dtrain.errors import CheckpointError, ConfigError, RunError

from .agreement import agree

if TYPE_CHECKING:
    from dtrain.communicator.protocol import Communicator

    from .job import Job

MARKS = ("config.toml", "metrics.jsonl", "checkpoints", "summary.json")
"""Any of these says that a folder holds a run."""

FILES = (*MARKS, "data.json", "plugins.json", "ranks.json", "environment.json")

COLUMNS = ("kind", "name", "plugin", "distribution", "version")
"""What a row of plugins.json holds at least."""

FIRST_BYTES = 1 << 16
"""About what a run writes before its first checkpoint."""


def default_folder(name: str) -> Path:
    """Returns `runs/<name>-<time>`, free as of now."""
    stem = Path("runs") / f"{name}-{strftime('%Y%m%d-%H%M%S')}"
    folder, n = stem, 1
    while folder.exists():
        n += 1
        folder = stem.with_name(f"{stem.name}-{n}")
    return folder.absolute()


def holds_run(folder: Path) -> bool:
    """Tells whether there is a run in the folder."""
    return any((folder / name).exists() for name in MARKS)


def check_folder(folder: Path, *, resume: bool, overwrite: bool) -> None:
    """Raises ConfigError when a run cannot go into this folder; leaves nothing behind."""
    try:
        _check_place(folder)
        found = holds_run(folder)
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"--out {folder}: expected a folder that can be written, got: {reason}") from error
    if found and not (resume or overwrite):
        raise ConfigError(
            f"--out {folder}: there is a run in it; --resume goes on with it, --overwrite replaces it"
        )
    if resume and not found:
        raise ConfigError(f"--resume: expected a run in {folder}, got none; start it without --resume")


def _check_place(folder: Path) -> None:
    """Raises OSError or ConfigError unless the folder, or the nearest one above it, takes the first files."""
    if "\0" in str(folder):  # which `exists` swallows
        raise ValueError("embedded null byte")
    existing = folder
    while not existing.exists():
        existing = existing.parent
    if not existing.is_dir():
        raise ConfigError(f"--out {folder}: expected a folder, got a file{_at(existing, folder)}")
    with tempfile.TemporaryFile(dir=existing) as file:
        file.write(bytes(FIRST_BYTES))


def _at(existing: Path, folder: Path) -> str:
    return "" if existing == folder else f" at {existing}"


def write_whole(path: Path, text: str, durable: bool = True) -> None:
    """Writes a file so that it is there whole or not at all. Raises RunError, and leaves nothing aside then.

    durable: whether that also holds after a power failure, for which the write waits: milliseconds on a busy disk.
    """
    aside = path.with_name(f".{path.name}.tmp")
    with _writing(path):
        try:
            with aside.open("w", encoding="utf-8") as file:
                file.write(text)
                if durable:
                    file.flush()
                    os.fsync(file.fileno())
            aside.replace(path)
        except OSError:
            with suppress(OSError):
                aside.unlink()
            raise


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Turns what a disk refuses, say because it is full, into a RunError."""
    try:
        yield
    except OSError as error:
        raise RunError(
            f"{path}: expected a file to be written, got: {error.strerror or error}; checkpoints before it are "
            "whole: make room and go on with --resume"
        ) from error


class RunFolder:
    """Writes the files of a run; on ranks that do not write, every call does nothing.

    free: the name was chosen here and may be changed when another run takes it first.
    time_limit: that of every job of the run, which is recorded; the one at work may have another.
    before: what summary.json held when a run that had ended was opened again.
    """

    def __init__(
        self,
        path: Path,
        writes: bool,
        *,
        overwrite: bool = False,
        free: Callable[[], Path] | None = None,
        time_limit: float | None = None,
    ) -> None:
        self.path, self.writes, self._time_limit = path, writes, time_limit
        self.before: Mapping[str, Any] = {}
        self._overwrite, self._free, self._opened = overwrite, free, False

    @property
    def checkpoints(self) -> Path:
        """Where the checkpoints lie."""
        return self.path / "checkpoints"

    def has_checkpoint(self) -> bool:
        """Tells whether there is anything to go on from."""
        return any(self.checkpoints.glob("step-*.safetensors"))

    def open(
        self, job: Job, ranks: list[dict[str, Any]], communicator: Communicator, epochs: int | None
    ) -> None:
        """Makes the folder and writes what is known at the start. A collective.

        ranks: who takes part. epochs: how many lines of metrics.jsonl stay, when a run goes on; None: all.
        """
        agree(communicator, self._make)
        self._opened = True
        self.path = Path(communicator.share(str(self.path))[0])
        if not self.writes:
            return
        self._unfinish()
        self.cut_metrics(inf if epochs is None else epochs)
        lasting = replace(job.config.train, time_limit=self._time_limit)
        self.write_text("config.toml", dump(replace(job.config, train=lasting)))
        # A run goes on without these; the checkpoints hold the first two as well.
        self.write_json("data.json", job.record.as_dict(), durable=False)
        self.write_json("plugins.json", job.registry.rows, durable=False)
        self.write_json("ranks.json", ranks, durable=False)
        self.write_json("environment.json", environment(), durable=False)

    def go_on(self, ranks: list[dict[str, Any]], epochs: int) -> None:
        """Writes who takes part from now on. epochs: how many lines of metrics.jsonl stay."""
        self._opened = True
        if self.writes:
            self.cut_metrics(epochs)
            self.write_json("ranks.json", ranks)

    def _make(self) -> None:
        if not self.writes:
            return
        try:
            if self._overwrite:
                self._clear()
            while self._free is not None and not _is_made(self.path):
                self.path = self._free()
            self.checkpoints.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                f"--out {self.path}: expected a folder that can be written, got: {error.strerror}"
            ) from error

    def _clear(self) -> None:
        """Removes the files of a run, and no others."""
        for name in FILES:
            target = self.path / name
            if target.is_dir() and not target.is_symlink():
                shutil.rmtree(target)
            else:
                target.unlink(missing_ok=True)

    def discard(self) -> None:
        """Removes a run that failed before its first epoch and checkpoint: nothing could be done with it."""
        if not (self.writes and self._opened):
            return
        kept = (self.path / "metrics.jsonl", *self.checkpoints.glob("*.safetensors"))
        if not any(path.exists() for path in kept):
            self._clear()
            with suppress(OSError):  # other files are in it, or other runs beside it
                self.path.rmdir()
                if self._free is not None:
                    self.path.parent.rmdir()

    def write_json(self, name: str, value: Any, durable: bool = True) -> None:
        """Writes one JSON file; durable: as of `write_whole`."""
        if self.writes:
            write_whole(self.path / name, _json(strict(value)), durable)

    def write_text(self, name: str, text: str) -> None:
        """Writes one text file."""
        if self.writes:
            write_whole(self.path / name, text)

    def append_metrics(self, line: Mapping[str, Any]) -> None:
        """Adds one line to metrics.jsonl."""
        path = self.path / "metrics.jsonl"
        if self.writes:
            with _writing(path), path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(strict(line), allow_nan=False) + "\n")

    def cut_metrics(self, epochs: float) -> None:
        """Drops the lines of epochs after `epochs`, which a run that goes back will write again, and torn ones."""
        path = self.path / "metrics.jsonl"
        if self.writes and path.exists():
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
            kept = [line for line in lines if _epoch_of(line) <= epochs]
            write_whole(path, "".join(f"{line}\n" for line in kept))

    def recorded_plugins(self) -> list[dict[str, Any]]:
        """Returns the table of plugins that the run was started with; empty where it is lost."""
        try:
            rows = json.loads((self.path / "plugins.json").read_text(encoding="utf-8"))
            return [{name: row[name] for name in COLUMNS} for row in rows]
        except (OSError, ValueError, TypeError, KeyError):  # it only makes messages better
            return []

    def recorded_data(self) -> DataRecord | None:
        """Return the record of the data that the run was started with; None where it is lost."""
        path = self.path / "data.json"
        try:
            return DataRecord.from_dict(json.loads(path.read_text(encoding="utf-8")), path)
        except (OSError, ValueError, TypeError, CheckpointError):  # the checkpoint has it, too
            return None

    def has_ended(self) -> bool:
        """Tells whether the run in it has come to its end."""
        return (self.path / "summary.json").exists()

    def _unfinish(self) -> None:
        """Removes the mark that a run has ended, when it goes on."""
        path = self.path / "summary.json"
        with suppress(OSError, ValueError):
            self.before = dict(json.loads(path.read_text(encoding="utf-8")))
        path.unlink(missing_ok=True)


def _is_made(path: Path) -> bool:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        path.mkdir()
    except FileExistsError:
        return False
    return True


def strict(value: Any) -> Any:
    """Returns a value that JSON can hold: null for a number that is not finite."""
    if isinstance(value, Mapping):
        return {key: strict(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [strict(item) for item in value]
    return None if isinstance(value, float) and not isfinite(value) else value


def _json(value: Any) -> str:
    """Returns JSON text; of a list, a line an entry, which takes a tenth of the time that indenting all of it does."""
    if isinstance(value, list):
        return "[\n" + ",\n".join(json.dumps(item, allow_nan=False) for item in value) + "\n]\n"
    return json.dumps(value, indent=2, allow_nan=False) + "\n"


def _epoch_of(line: str) -> float:
    try:
        return float(json.loads(line)["epoch"])
    except (ValueError, KeyError, TypeError):  # torn by a crash
        return nan


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


@cache
def _processor() -> str:
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8") as file:
            return next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()
