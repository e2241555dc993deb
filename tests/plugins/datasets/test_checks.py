# ruff: noqa: E501 (each message stands in full on one line)
from __future__ import annotations

import gzip

import numpy as np
import pytest

from dtrain import DataError
from dtrain_plugins.datasets.checks import (
    Named,
    check_alike,
    check_finite,
    opened,
    read_at_most,
    reading,
    rows_of,
)

X = Named(np.zeros((3, 2)), "a.x")


@pytest.mark.parametrize("dtype", ["?", "i1", "u1", ">i2", "<u8", "f2", "<f4", ">f8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_whole_arrays_become_contiguous_and_native_with_the_same_values(dtype, order):
    stored = np.asarray(np.arange(24).reshape(4, 3, 2) % 2, dtype, order=order)
    rows = rows_of(Named(stored, "x"), Named(stored[:, 0, 0], "y"))
    assert rows.whole
    assert rows.shape == (3, 2)
    for array in (rows.x, rows.y):
        assert array.flags.c_contiguous
        assert array.dtype.isnative
        assert array.dtype == stored.dtype.newbyteorder("=")
    assert np.array_equal(rows.x, stored)


def test_arrays_that_are_not_whole_are_not_looked_at():
    rows = rows_of(Named(np.full((2, 2), np.nan), "x"), None, whole=False)
    assert not rows.whole


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.zeros((3, 2), "c8"), None, "b.x: expected bool, integers or floats, got dtype complex64; convert the array"),
        (np.zeros((3, 2), "O"), None, "b.x: expected bool, integers or floats, got dtype object; convert the array"),
        (np.zeros((3, 2), "M8[s]"), None, "b.x: expected bool, integers or floats, got dtype datetime64[s]; convert the array"),
        (np.zeros((3, 2)), np.array(["a", "b", "c"]), "b.y: expected bool, integers or floats, got dtype <U1; convert the array"),
        (np.zeros(()), None, "b.x: expected at least one row and no empty axis, got shape ()"),
        (np.zeros((0, 2)), None, "b.x: expected at least one row and no empty axis, got shape (0, 2)"),
        (np.zeros((3, 0)), None, "b.x: expected at least one row and no empty axis, got shape (3, 0)"),
        (np.zeros((3, 2)), np.zeros(()), "b.y: expected at least one row and no empty axis, got shape ()"),
        (np.zeros(3), None, "b.x: expected an axis of rows and at least one more, got shape (3,); reshape it to (3, 1)"),
        (np.zeros((3, 2)), np.zeros(4), "b.y: expected as many rows as in b.x, 3, got 4"),
        (np.array([[0, np.inf]]), None, "b.x: expected finite numbers, got inf in row 0, column 1; clean the data"),
        (np.zeros((3, 2)), np.array([0, np.nan, 0]), "b.y: expected finite numbers, got nan in row 1; clean the data"),
    ],
)  # fmt: skip
def test_what_cannot_be_trained_on_is_named(x, y, message):
    with pytest.raises(DataError) as caught:
        rows_of(Named(x, "b.x"), None if y is None else Named(y, "b.y"))
    assert str(caught.value) == message


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
def test_the_first_of_several_bad_numbers_is_named_wherever_it_stands(dtype):
    array = np.zeros((3000, 20, 30), dtype)
    array[2800, 3, 4] = -np.inf
    array[2900] = np.nan
    with pytest.raises(DataError) as caught:
        check_finite(array, "x")
    message = "x: expected finite numbers, got -inf in row 2800, position (3, 4); clean the data"
    assert str(caught.value) == message


def test_one_row_larger_than_a_chunk_is_checked():
    array = np.zeros((2, 2**20 + 1), np.float32)
    check_finite(array, "x")
    array[1, -1] = np.nan
    with pytest.raises(DataError, match="row 1, column 1048576"):
        check_finite(array, "x")


def test_validation_of_another_shape_is_an_error():
    with pytest.raises(DataError) as caught:
        check_alike(X, Named(np.zeros((9, 3)), "b.x"), x=True)
    assert str(caught.value) == "b.x: expected rows of shape (2,), as in a.x, got (3,)"


def test_validation_that_would_be_scaled_otherwise_is_an_error():
    with pytest.raises(DataError) as caught:
        check_alike(Named(np.zeros((3, 2), np.uint8), "a.x"), X._replace(where="b.x"), x=True)
    assert str(caught.value) == (
        "b.x: expected dtype uint8, as in a.x, got float64; uint8 is scaled to [0, 1], other dtypes are not"
    )


def test_targets_and_floats_of_other_widths_are_alike():
    check_alike(Named(np.zeros(3, np.uint8), "a.y"), Named(np.zeros(3, np.int64), "b.y"), x=False)
    check_alike(X, Named(np.zeros((3, 2), np.float32), "b.x"), x=True)


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    for name, reason in [
        ("none", "got no such file; check the path"),
        ("", "got 'Is a directory'; check the path and who may read it"),
    ]:
        path = tmp_path / name
        with pytest.raises(DataError) as caught, reading(path, "a table"):
            path.open("rb")
        assert str(caught.value) == f"{path}: expected a table, {reason}"


def test_what_readers_raise_becomes_one_line(tmp_path):
    for error, reason in [(ValueError("two\n  lines"), "two lines"), (MemoryError(), "MemoryError")]:
        with pytest.raises(DataError) as caught, reading(tmp_path, "a table"):
            raise error
        message = f"{tmp_path}: expected a table, got damaged data ({reason}); write or fetch the file again"
        assert str(caught.value) == message


def test_a_fault_of_the_program_is_not_called_damaged_data(tmp_path):
    with pytest.raises(TypeError), reading(tmp_path, "a table"):
        raise TypeError("a bug")


@pytest.mark.parametrize("name", ["a.gz", "a"])
@pytest.mark.parametrize("pack", [gzip.compress, bytes])
def test_gzip_is_known_by_the_bytes_not_by_the_name(tmp_path, name, pack):
    (tmp_path / name).write_bytes(pack(b"content"))
    with opened(tmp_path / name) as file:
        assert file.read() == b"content"


@pytest.mark.parametrize("count", [0, 5, 2**20 + 3, 2**21 + 9])
def test_read_at_most_reads_that_many_bytes_or_all_there_are(tmp_path, count):
    content = bytes(range(256)) * 2**12 + b"the tail!!"
    (tmp_path / "a").write_bytes(content)
    with opened(tmp_path / "a") as file:
        assert read_at_most(file, count) == content[:count]
    with opened(tmp_path / "a") as file:
        assert read_at_most(file, count + 2, b"ab") == b"ab" + content[:count]
