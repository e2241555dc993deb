"""What every built-in dataset checks before it hands its samples over; each failure is one line."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from gzip import GzipFile
from pathlib import Path
from typing import IO, NamedTuple, cast

import numpy as np

from dtrain import Array, ArrayRows, DataError

GZIP_MAGIC = b"\x1f\x8b"

_CHUNK = 1 << 20  # bytes read, and numbers checked, at a time

# What Python's readers raise for damaged bytes; BadGzipFile is an OSError.
_DAMAGED = (
    OSError,
    EOFError,
    ValueError,
    RuntimeError,
    OverflowError,
    MemoryError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)


class Named(NamedTuple):
    """An array and the words that say in an error where it came from."""

    array: Array
    where: str


@contextmanager
def reading(path: Path, expected: str) -> Iterator[None]:
    """Turns whatever goes wrong while `path` is read into a DataError that names it."""
    try:
        yield
    except DataError:
        raise
    except FileNotFoundError as error:
        raise DataError(f"{path}: expected {expected}, got no such file; check the path") from error
    except _DAMAGED as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        if isinstance(error, OSError) and error.strerror is not None:
            advice = f"got {error.strerror!r}; check the path and who may read it"
        else:
            advice = f"got damaged data ({reason}); write or fetch the file again"
        raise DataError(f"{path}: expected {expected}, {advice}") from error


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """Opens a file, through gzip when its bytes (not its name) say so."""
    with path.open("rb") as raw:
        if raw.peek(2)[:2] == GZIP_MAGIC:
            with GzipFile(fileobj=raw) as file:
                yield cast("IO[bytes]", file)
        else:
            yield raw


def read_at_most(file: IO[bytes], count: int, start: bytes | bytearray = b"") -> bytearray:
    """Returns `start` and what follows, up to `count` bytes; memory grows with what is there, not `count`."""
    data = bytearray(start)
    while len(data) < count and (chunk := file.read(min(_CHUNK, count - len(data)))):
        data += chunk
    return data


def check_dtype(dtype: np.dtype[np.generic], where: str) -> None:
    """Raises DataError for anything but bool, integers and real floats."""
    if dtype.kind not in "biuf":
        raise DataError(f"{where}: expected bool, integers or floats, got dtype {dtype}; convert the array")


def check_shape(shape: tuple[int, ...], where: str) -> None:
    """Raises DataError when there is no row, or nothing in a row."""
    if not shape or any(length < 1 for length in shape):
        raise DataError(f"{where}: expected at least one row and no empty axis, got shape {shape}")


def check_finite(array: Array, where: str) -> None:
    """Raises DataError for the first number that is NaN or infinite."""
    if array.dtype.kind != "f":
        return
    step = max(1, _CHUNK * len(array) // array.size)
    for start in range(0, len(array), step):
        finite = np.isfinite(array[start : start + step])
        if not finite.all():
            row, *rest = (int(i) for i in np.argwhere(~finite)[0])
            value = array[(start + row, *rest)]
            place = f"row {start + row}"
            if rest:
                place += f", column {rest[0]}" if len(rest) == 1 else f", position {tuple(rest)}"
            raise DataError(f"{where}: expected finite numbers, got {value} in {place}; clean the data")


def rows_of(x: Named, y: Named | None, whole: bool = True) -> ArrayRows:
    """Returns the rows of checked arrays.

    x: (n, …) with at least one axis beside the rows; y: (n, …) or None. With `whole`, the arrays are made
    contiguous and native, and every float must be finite; otherwise they are not read here.
    """
    for array, where in (x,) if y is None else (x, y):
        check_dtype(array.dtype, where)
        check_shape(array.shape, where)
    if x.array.ndim < 2:
        raise DataError(
            f"{x.where}: expected an axis of rows and at least one more, got shape {x.array.shape}; "
            f"reshape it to {(*x.array.shape, 1)}"
        )
    if y is not None and len(y.array) != len(x.array):
        raise DataError(
            f"{y.where}: expected as many rows as in {x.where}, {len(x.array)}, got {len(y.array)}"
        )
    if not whole:
        return ArrayRows(x.array, None if y is None else y.array, whole=False)
    return ArrayRows(_settled(x), None if y is None else _settled(y))


def check_alike(train: Named, validation: Named, x: bool) -> None:
    """Raises DataError when a network for one of the two cannot take the other; x: not targets."""
    (a, _), (b, where) = train, validation
    if a.shape[1:] != b.shape[1:]:
        raise DataError(
            f"{where}: expected rows of shape {a.shape[1:]}, as in {train.where}, got {b.shape[1:]}"
        )
    if x and (a.dtype == np.uint8) != (b.dtype == np.uint8):
        raise DataError(
            f"{where}: expected dtype {a.dtype}, as in {train.where}, got {b.dtype}; "
            "uint8 is scaled to [0, 1], other dtypes are not"
        )


def _settled(named: Named) -> Array:
    array = np.ascontiguousarray(named.array, named.array.dtype.newbyteorder("="))
    check_finite(array, named.where)
    return array
