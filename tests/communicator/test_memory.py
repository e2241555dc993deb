"""The shared mapping, between threads that pretend to be processes of one host."""

from __future__ import annotations

import mmap
import os

import numpy as np
import pytest

from dtrain.communicator import run_ranks
from dtrain.communicator.memory import private, shared


def together(ranks, function):
    """function(rank, size, share) on every rank."""
    return run_ranks(ranks, lambda c: function(c.rank, c.size, c.share))


@pytest.mark.parametrize("count", [0, 1, 1024, 1025])
def test_every_rank_maps_every_array_on_a_page_of_its_own(count):
    def body(rank, size, share):
        arrays = shared(count, "float32", rank, size, share)
        arrays[rank][:] = rank + 1
        share("written")
        return arrays

    for arrays in together(3, body):
        assert [array.tolist() for array in arrays] == [[rank + 1] * count for rank in range(3)]
        for array in arrays:
            assert array.ctypes.data % mmap.PAGESIZE == 0 or count == 0


def test_the_mapping_lives_as_long_as_one_array_and_no_descriptor_stays_open():
    before = set(os.listdir("/proc/self/fd"))
    array = together(2, lambda *rank: shared(100_000, "float64", *rank))[0][1]
    array += 3
    assert array.sum() == 300_000
    kept = len(set(os.listdir("/proc/self/fd")) - before)
    assert kept == 1  # the mapping's own; the other rank's mapping is gone
    del array
    assert set(os.listdir("/proc/self/fd")) == before


def fails_on(rank_that_fails, error):
    """A posix_fallocate that raises `error` for the pages of one rank."""
    ask = os.posix_fallocate

    def asked(descriptor, start, length):
        if start == rank_that_fails * length:
            raise error
        ask(descriptor, start, length)

    return asked


def test_where_one_rank_fails_all_fail_alike(monkeypatch):
    monkeypatch.setattr(os, "posix_fallocate", fails_on(1, OSError(28, "No space left on device")))

    def body(*rank):
        with pytest.raises(OSError, match="No space") as caught:
            shared(10, "float64", *rank)
        return str(caught.value)

    reason = f"rank 1: [Errno 28] No space left on device ({3 * mmap.PAGESIZE} bytes)"
    assert together(3, body) == [reason] * 3


def test_without_memfd_every_rank_says_so(monkeypatch):
    monkeypatch.delattr(os, "memfd_create")

    def body(*rank):
        with pytest.raises(OSError, match="rank 0") as caught:
            shared(10, "float64", *rank)
        return str(caught.value)

    reason = "rank 0 could not create a memory file"
    assert together(2, body) == [f"rank 0: {reason}; rank 1: {reason}"] * 2


def test_a_file_of_another_process_is_not_taken_for_ours(tmp_path):
    """In another PID namespace, /proc/PID/fd/N may be somebody else's file."""
    stranger = tmp_path / "stranger"
    stranger.write_bytes(bytes(mmap.PAGESIZE))

    def body(rank, size, share):
        def elsewhere(value):
            return [
                [str(stranger), *ticket[1:]] if isinstance(ticket, list) else ticket
                for ticket in share(value)
            ]

        with pytest.raises(OSError, match="rank 0") as caught:
            shared(10, "int8", rank, size, elsewhere)
        return str(caught.value)

    reason = f"{stranger} is another file here"
    assert together(2, body) == [f"rank 0: {reason}; rank 1: {reason}"] * 2


@pytest.mark.parametrize("dtype", ["int8", "float32", "complex128"])
@pytest.mark.parametrize("count", [0, 1, 100])
def test_private_arrays_are_zeroed_and_aligned(count, dtype):
    kept = [private(count, dtype) for _ in range(20)]
    for array in kept:
        assert (array.shape, array.dtype) == ((count,), np.dtype(dtype))
        assert array.ctypes.data % 64 == 0
        assert not array.any()
