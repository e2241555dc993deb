"""The dataset `idx`."""

from __future__ import annotations

import struct
from math import prod
from pathlib import Path
from typing import IO

import numpy as np

from dtrain import Array, DataError, Dataset

from .checks import Named, check_alike, check_shape, opened, read_at_most, reading, rows_of

_EXPECTED = "a folder with the files of MNIST"
_IMAGES, _LABELS = 3, 1  # axes
_UNSIGNED_BYTE = 0x08


class Idx(Dataset):
    """A folder with the four files of MNIST, or of a set made like it (Fashion-MNIST, KMNIST, …).

    path: the folder. Its files, each plain or `.gz`, with `-idx` or `.idx` in their names:
        train-images-idx3-ubyte, train-labels-idx1-ubyte: to train on.
        t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte: to validate on; may both be missing.
    x (n, height, width): uint8, scaled to [0, 1] when a batch is cut. y (n,): int64.

    Raises DataError for a file that is missing, truncated, too long or damaged, and for files that do not fit
    each other. Y. LeCun, C. Cortes & C. J. C. Burges, "The MNIST database of handwritten digits" (1998).
    """

    def __init__(self, path: Path) -> None:
        with reading(path, _EXPECTED):
            if not path.is_dir():
                got = "a file" if path.exists() else "no such folder"
                raise DataError(f"{path}: expected {_EXPECTED}, got {got}; check the path")
            x, y = _pair(path, "train")
            self.train = rows_of(x, y)
            if any(_found(path, "t10k", axes) for axes in (_IMAGES, _LABELS)):
                x_validation, y_validation = _pair(path, "t10k")
                self.validation = rows_of(x_validation, y_validation)
                check_alike(x, x_validation, x=True)


def _pair(folder: Path, part: str) -> tuple[Named, Named]:
    x, y = _read(folder, part, _IMAGES), _read(folder, part, _LABELS)
    return x, Named(y.array.astype(np.int64), y.where)


def _candidates(part: str, axes: int) -> list[str]:
    kind = "images" if axes == _IMAGES else "labels"
    return [f"{part}-{kind}{sign}idx{axes}-ubyte{end}" for end in ("", ".gz") for sign in "-."]


def _found(folder: Path, part: str, axes: int) -> Path | None:
    return next((file for name in _candidates(part, axes) if (file := folder / name).exists()), None)


def _read(folder: Path, part: str, axes: int) -> Named:
    path = _found(folder, part, axes)
    if path is None:
        names = _candidates(part, axes)
        raise DataError(
            f"{folder}: expected {names[0]} (or {', '.join(names[1:])}), got no such file; "
            "fetch it, or check the path"
        )
    with reading(path, "an idx file"), opened(path) as file:
        return Named(_array(file, axes, str(path)), str(path))


def _array(file: IO[bytes], axes: int, where: str) -> Array:
    """Reads the magic number, a length for each axis (all big-endian uint32), and the bytes they promise."""
    head = bytes(read_at_most(file, 4 + 4 * axes))
    magic = _UNSIGNED_BYTE << 8 | axes
    if len(head) < 4 + 4 * axes:
        raise DataError(
            f"{where}: expected a header of {4 + 4 * axes} bytes, got {len(head)}; fetch the file again"
        )
    found, *lengths = struct.unpack(f">{1 + axes}I", head)
    if found != magic:
        raise DataError(
            f"{where}: expected the magic number {magic} (bytes, axes: {axes}), got {found}; "
            "check that the file has its right name"
        )
    shape = tuple(lengths)
    check_shape(shape, where)
    data = read_at_most(file, prod(shape) + 1)  # one more: is there a tail?
    if len(data) != prod(shape):
        got = len(data) if len(data) < prod(shape) else "more"
        raise DataError(
            f"{where}: expected {prod(shape)} bytes for shape {shape}, got {got}; fetch the file again"
        )
    return np.frombuffer(data, np.uint8).reshape(shape)
