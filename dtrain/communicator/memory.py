"""Arrays that every rank of one host can address.

One anonymous file of the kernel (memfd) an allocation, opened by the peers through /proc/PID/fd/N: no limit
of /dev/shm applies, a killed job leaves no file behind, and no MPI window is needed.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from dtrain.types import Array

Share: TypeAlias = Callable[[Any], list[Any]]
"""`Communicator.share`: every rank's JSON value, on every rank."""

ALIGNMENT = 64  # bytes: a cache line


def private(count: int, dtype: Any) -> Array:
    """Returns `count` zeros of this process alone, 64-byte aligned."""
    dtype = np.dtype(dtype)
    raw = np.zeros(count * dtype.itemsize + ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % ALIGNMENT
    return np.ndarray((count,), dtype, raw.data, start)


def shared(count: int, dtype: Any, rank: int, size: int, share: Share) -> list[Array | None]:
    """Returns one array of `count` zeros for each rank, all in one mapping. Collective over a host's ranks.

    Each array starts on a page of its own; the mapping lives as long as one of its arrays.

    Raises:
        OSError: some rank cannot create, open or fill the mapping; every rank raises the same.
    """
    dtype = np.dtype(dtype)
    pages = -(-max(count * dtype.itemsize, 1) // mmap.PAGESIZE)
    mapping = _mapping(pages * mmap.PAGESIZE, rank, size, share)
    return [np.ndarray((count,), dtype, mapping, k * pages * mmap.PAGESIZE) for k in range(size)]


def common(count: int, dtype: Any, rank: int, size: int, share: Share) -> Array:
    """Returns one array of `count` zeros, the same memory for all ranks. Collective over a host's ranks.

    Each rank asks for an equal part of its pages. Raises OSError as `shared` does.
    """
    dtype = np.dtype(dtype)
    pages = -(-max(count * dtype.itemsize, 1) // mmap.PAGESIZE)
    mapping = _mapping(-(-pages // size) * mmap.PAGESIZE, rank, size, share)
    return np.ndarray((count,), dtype, mapping)


def _mapping(slice_bytes: int, rank: int, size: int, share: Share) -> mmap.mmap:
    descriptor, ticket = _create(slice_bytes * size) if rank == 0 else (-1, None)
    ticket = share(ticket)[0]
    mapping, failure = _open(ticket, rank * slice_bytes, slice_bytes, slice_bytes * size)
    failures = share(failure)  # when this returns, every rank has opened it: rank 0 may close its own
    if descriptor >= 0:
        os.close(descriptor)
    if mapping is None or any(failures):
        raise OSError("; ".join(f"rank {k}: {text}" for k, text in enumerate(failures) if text))
    return mapping


def _create(length: int) -> tuple[int, Any]:
    """Returns a descriptor and how peers find it: path, device, inode; None on failure."""
    descriptor = -1
    try:
        descriptor = os.memfd_create("dtrain", os.MFD_CLOEXEC)
        os.ftruncate(descriptor, length)
    except (AttributeError, OSError):  # no memfd on this system
        return descriptor, None
    status = os.fstat(descriptor)
    return descriptor, [f"/proc/{os.getpid()}/fd/{descriptor}", status.st_dev, status.st_ino]


def _open(ticket: Any, start: int, length: int, total: int) -> tuple[mmap.mmap | None, str | None]:
    """Returns the mapping, or why there is none."""
    if ticket is None:
        return None, "rank 0 could not create a memory file"
    path, *identity = ticket
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        return None, str(error)
    try:
        status = os.fstat(descriptor)
        if [status.st_dev, status.st_ino] != identity:  # another PID namespace, where PID is someone else
            return None, f"{path} is another file here"
        # Each rank asks for its own pages: they lie near it, and too little memory is an error, not a SIGBUS.
        os.posix_fallocate(descriptor, start, length)
        return mmap.mmap(descriptor, total), None
    except OSError as error:
        return None, f"{error} ({total} bytes)"
    finally:
        os.close(descriptor)
