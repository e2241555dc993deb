# ruff: noqa: E501 (each message stands in full on one line)
from __future__ import annotations

import io
import tracemalloc

import numpy as np
import pytest
from numpy.lib import format as npy

from dtrain import DataError
from dtrain_plugins.datasets.npy_format import header_of, read_array


def file_of(shape, content=b"", descr="<f8", version=(1, 0), fortran=False):
    file = io.BytesIO()
    header = {"descr": descr, "fortran_order": fortran, "shape": shape}
    (npy.write_array_header_1_0 if version == (1, 0) else npy.write_array_header_2_0)(file, header)
    return io.BytesIO(file.getvalue() + content)


@pytest.mark.parametrize("version", [(1, 0), (2, 0)])
@pytest.mark.parametrize("fortran", [False, True])
@pytest.mark.parametrize("dtype", ["?", "u1", "<i8", ">f4", "<f8"])
def test_arrays_are_read_as_numpy_reads_them(version, fortran, dtype):
    array = np.asarray(np.arange(300000).reshape(-1, 100) % 2, dtype, order="F" if fortran else "C")
    file = io.BytesIO()
    npy.write_array(file, array, version)
    file.seek(0)
    read = read_array(file, "a.npy")
    assert read.dtype == array.dtype
    assert np.array_equal(read, array)


@pytest.mark.parametrize(
    ("file", "message"),
    [
        (file_of((5, 2), bytes(79)), "a.npy: expected 80 bytes for shape (5, 2) of float64, got 79; write or fetch the file again"),
        (file_of((5, 2), bytes(81)), "a.npy: expected 80 bytes for shape (5, 2) of float64, got more; write or fetch the file again"),
        (file_of((5, 2), bytes(10**6)), "a.npy: expected 80 bytes for shape (5, 2) of float64, got more; write or fetch the file again"),
        (file_of((5, -2)), "a.npy: expected at least one row and no empty axis, got shape (5, -2)"),
        (file_of((0, 10**30)), "a.npy: expected at least one row and no empty axis, got shape (0, 1000000000000000000000000000000)"),
        (file_of((3,), descr="|O"), "a.npy: expected bool, integers or floats, got dtype object; convert the array"),
        (file_of((3,), descr="<c16"), "a.npy: expected bool, integers or floats, got dtype complex128; convert the array"),
        (file_of((3,), descr=[("a", "<f4")]), "a.npy: expected bool, integers or floats, got dtype [('a', '<f4')]; convert the array"),
    ],
)  # fmt: skip
def test_headers_that_do_not_fit_are_named(file, message):
    with pytest.raises(DataError) as caught:
        read_array(file, "a.npy")
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        (b"", "EOF: reading magic string, expected 8 bytes got 0"),
        (b"\x93NUMPY\x07\x00", "version 7.0"),
        (b"\x93NUMPY\x01\x00\x03\x00[1]", "Header is not a dictionary: [1]"),
        (b"\x93NUMPY\x01\x00\x03\x00{{{", "('EOF in multi-line statement', (2, 0))"),
    ],
)
def test_what_is_no_header_is_named(head, reason):
    with pytest.raises(DataError) as caught:
        header_of(head, "a.npy")
    assert str(caught.value) == (
        f"a.npy: expected the header of a .npy array, got damaged data ({reason}); write or fetch the file again"
    )


@pytest.mark.parametrize("shape", [(10**15,), (10**5, 10**10), (2**62, 4)])
def test_a_claim_of_more_numbers_than_there_are_allocates_nothing(shape):
    file = file_of(shape, bytes(1000))
    tracemalloc.start()
    with pytest.raises(DataError, match="got 1000; write or fetch the file again"):
        read_array(file, "a.npy")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20
