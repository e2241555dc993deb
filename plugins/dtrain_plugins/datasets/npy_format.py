"""The header of a `.npy` file, believed only as far as the bytes after it go."""

from __future__ import annotations

import io
from math import prod
from typing import IO, NamedTuple

import numpy as np
from numpy.lib import format as npy

from dtrain import Array, DataError

from .checks import check_dtype, check_shape, read_at_most

HEAD = 1 << 16  # bytes at the start of a file that hold every header NumPy accepts

_VERSIONS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


class Header(NamedTuple):
    """What a `.npy` header says, and the byte at which the numbers start."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[np.generic]
    offset: int

    @property
    def size(self) -> int:
        """The bytes of the numbers."""
        return prod(self.shape) * self.dtype.itemsize


def header_of(head: bytes | bytearray, where: str) -> Header:
    """Returns the checked header at the start of a file.

    head: the first 64 KiB, or the whole file. Raises DataError for what is no header, and for a dtype or a
    shape that is no data.
    """
    file = io.BytesIO(head)
    try:
        version = npy.read_magic(file)
        if version not in _VERSIONS:
            raise ValueError(f"version {version[0]}.{version[1]}")
        shape, fortran, dtype = _VERSIONS[version](file)
    except Exception as error:  # a literal parser on damaged bytes: half of the built-in exceptions
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(
            f"{where}: expected the header of a .npy array, got damaged data ({reason}); "
            "write or fetch the file again"
        ) from error
    check_dtype(dtype, where)
    check_shape(shape, where)
    return Header(shape, fortran, dtype, file.tell())


def check_size(header: Header, count: int, where: str) -> None:
    """Raises DataError unless as many bytes follow the header as it claims."""
    if count != header.size:
        raise DataError(
            f"{where}: expected {header.size} bytes for shape {header.shape} of {header.dtype}, "
            f"got {count if count < header.size else 'more'}; write or fetch the file again"
        )


def read_array(file: IO[bytes], where: str) -> Array:
    """Reads a whole `.npy` array from a stream, without allocating more than the stream holds."""
    head = read_at_most(file, HEAD)
    header = header_of(head, where)
    data = read_at_most(file, header.size + 1, head[header.offset :])  # one more: is there a tail?
    check_size(header, len(data), where)
    return np.frombuffer(data, header.dtype).reshape(header.shape, order="F" if header.fortran else "C")
