"""A file that the ranks of a job write together, each its own rows: there whole at the end, or not at all."""

from __future__ import annotations

import io
import os
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dtrain.errors import ConfigError

if TYPE_CHECKING:
    from dtrain.types import Array, Shape

NPY, CSV = ".npy", ".csv"


def check_output(path: Path, option: str, overwrite: bool) -> None:
    """Raises ConfigError when no such file can be written there; leaves nothing behind."""
    if path.suffix.lower() not in ("", NPY, CSV):
        raise ConfigError(
            f"{option} {path}: expected a name that ends in {NPY} or {CSV}, or has no ending, got {path.suffix!r}"
        )
    try:
        if path.is_dir():
            raise ConfigError(f"{option} {path}: expected a file, got a folder")
        if path.exists() and not overwrite:
            raise ConfigError(f"{option} {path}: it exists; --overwrite replaces it")
        trial = aside(path)
        trial.touch()
        trial.unlink()
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        raise refused(option, path, error) from error


class NpyOutput:
    """One rank's hand on the file.

    Rows are written at their place, not through a mapping: a full disk is an error then, not a dead process, and
    two hosts may write rows that share a page.
    """

    def __init__(self, path: Path, option: str, shape: Shape, dtype: np.dtype[Any]) -> None:
        self.path, self.shape, self.dtype = path, shape, dtype
        self._option = option
        self._header = _header(shape, dtype)
        self._row = prod(shape[1:]) * dtype.itemsize
        self._aside = aside(path)
        self._file: int | None = None
        self._problem: ConfigError | None = None

    def create(self) -> None:
        """Makes the file, of its full size. On one rank, before any opens it."""
        try:
            with self._aside.open("wb") as file:
                file.write(self._header)
                file.truncate(len(self._header) + self.shape[0] * self._row)
        except OSError as error:
            raise refused(self._option, self.path, error) from error

    def open(self) -> None:
        """Opens the file to write into."""
        try:
            self._file = os.open(self._aside, os.O_WRONLY)
        except OSError as error:
            raise refused(self._option, self.path, error) from error

    def write(self, first: int, block: Array) -> None:
        """Writes rows from row `first` on. What goes wrong is kept for `close`: the other ranks are at work."""
        if self._problem is not None or not block.size:
            return
        assert self._file is not None
        data = np.ascontiguousarray(block, self.dtype).data.cast("B")
        at = len(self._header) + first * self._row
        try:
            while data:
                written = os.pwrite(self._file, data, at)
                data, at = data[written:], at + written
        except OSError as error:
            self._problem = refused(self._option, self.path, error)

    def close(self) -> None:
        """Closes the file. Raises ConfigError when something could not be written."""
        file, self._file = self._file, None
        if file is not None:
            try:
                os.fsync(file)
            except OSError as error:
                self._problem = self._problem or refused(self._option, self.path, error)
            finally:
                os.close(file)
        if self._problem is not None:
            raise self._problem

    def finish(self) -> None:
        """Gives the file its name. On one rank, when all have closed it."""
        try:
            self._aside.replace(self.path)
        except OSError as error:
            raise refused(self._option, self.path, error) from error

    def discard(self) -> None:
        """Removes what was written so far."""
        self._aside.unlink(missing_ok=True)


def aside(path: Path, what: str = "") -> Path:
    """Returns the path of a file beside this one that is not whole yet."""
    return path.with_name(f".{path.name}{what and '.'}{what}.tmp")


def _header(shape: Shape, dtype: np.dtype[Any]) -> bytes:
    text = io.BytesIO()
    descr = np.lib.format.dtype_to_descr(dtype)
    np.lib.format.write_array_header_1_0(text, {"descr": descr, "fortran_order": False, "shape": shape})
    return text.getvalue()


def refused(option: str, path: Path, error: Exception) -> ConfigError:
    """Returns the error for a file that cannot be written."""
    reason = getattr(error, "strerror", None) or str(error)
    return ConfigError(f"{option} {path}: expected a file that can be written, got: {reason}")
