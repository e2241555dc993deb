# ruff: noqa: E501 (each message stands in full on one line)
from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dtrain import DataError
from dtrain_plugins.datasets.npz import Npz

X, Y = np.arange(12, dtype=np.float32).reshape(6, 2), np.arange(6)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_are_read_in_their_stored_dtype(tmp_path, save):
    save(tmp_path / "a.npz", x=X, y=Y, x_validation=X[:2] + 1, y_validation=Y[:2])
    data = Npz(tmp_path / "a.npz")
    x, y = data.train.rows(np.array([5, 0]))
    assert x.dtype == np.float32
    assert x.tolist() == [[10, 11], [0, 1]]
    assert y.tolist() == [5, 0]
    assert data.train.whole
    assert len(data.validation) == 2
    assert data.validation.rows(np.array([1]))[0].tolist() == [[3, 4]]


@pytest.mark.parametrize("dtype", ["?", "u1", ">i4", "<i8", "f2", ">f8"])
def test_every_dtype_and_order_gives_the_values_that_were_saved(tmp_path, dtype):
    x = np.asarray(np.arange(24).reshape(4, 3, 2) % 2, dtype, order="F")
    np.savez(tmp_path / "a.npz", x=x, y=x)
    data = Npz(tmp_path / "a.npz")
    assert np.array_equal(data.train.rows(np.arange(4))[0], x)
    assert data.train.rows(np.arange(4))[0].dtype == x.dtype.newbyteorder("=")
    assert data.validation is None


def test_targets_may_be_missing(tmp_path):
    np.savez(tmp_path / "a.npz", x=X)
    assert Npz(tmp_path / "a.npz").train.rows(np.array([0]))[1] is None


def test_other_arrays_are_left_alone_even_if_they_would_need_pickle(tmp_path):
    np.savez(tmp_path / "a.npz", x=X, y=Y, notes=np.array([object()]))
    assert len(Npz(tmp_path / "a.npz").train) == 6


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"a": X, "b": X}, ": expected arrays 'x' and 'y' (and maybe 'x_validation', 'y_validation'), got 'a', 'b'; save it with numpy.savez(path, x=…, y=…)"),
        ({}, ": expected arrays 'x' and 'y' (and maybe 'x_validation', 'y_validation'), got none; save it with numpy.savez(path, x=…, y=…)"),
        ({f"a{i}": X for i in range(9)}, ": expected arrays 'x' and 'y' (and maybe 'x_validation', 'y_validation'), got 'a0', 'a1', 'a2', 'a3', 'a4', 'a5', 'a6', 'a7', …; save it with numpy.savez(path, x=…, y=…)"),
        ({"x": X, "y": Y, "x_validation": X}, ": expected 'y_validation' beside 'x_validation', got none; save both, or leave 'x_validation' out to hold samples out by data.validation"),
        ({"x": X, "y": Y, "y_validation": Y}, ": expected 'x_validation' beside 'y_validation', got none; save both, or leave 'y_validation' out to hold samples out by data.validation"),
        ({"x": X, "y": Y[:4]}, ", array 'y': expected as many rows as in {path}, array 'x', 6, got 4"),
        ({"x": X[:0], "y": Y[:0]}, ", array 'x': expected at least one row and no empty axis, got shape (0, 2)"),
        ({"x": X, "y": np.array(["a"] * 6)}, ", array 'y': expected bool, integers or floats, got dtype <U1; convert the array"),
        ({"x": np.array([[object()]])}, ", array 'x': expected bool, integers or floats, got dtype object; convert the array"),
        ({"x": np.array([[0, 1], [2, np.nan]])}, ", array 'x': expected finite numbers, got nan in row 1, column 1; clean the data"),
        ({"x": X, "y": Y, "x_validation": X[:, :1], "y_validation": Y}, ", array 'x_validation': expected rows of shape (2,), as in {path}, array 'x', got (1,)"),
        ({"x": X, "y": Y, "x_validation": X, "y_validation": X}, ", array 'y_validation': expected rows of shape (), as in {path}, array 'y', got (2,)"),
        ({"x": X, "y": Y, "x_validation": X.astype("u1"), "y_validation": Y}, ", array 'x_validation': expected dtype float32, as in {path}, array 'x', got uint8; uint8 is scaled to [0, 1], other dtypes are not"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(tmp_path, arrays, message):
    path = tmp_path / "a.npz"
    np.savez(path, **arrays)
    with pytest.raises(DataError) as caught:
        Npz(path)
    assert str(caught.value) == f"{path}{message.replace('{path}', str(path))}"


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError) as caught:
        Npz(tmp_path / "a.npz")
    assert str(caught.value) == (
        f"{tmp_path}/a.npz: expected an archive written by numpy.savez, got no such file; check the path"
    )


def test_what_is_no_archive_is_named(tmp_path):
    np.save(tmp_path / "a.npy", X)
    with pytest.raises(DataError) as caught:
        Npz(tmp_path / "a.npy")
    assert str(caught.value) == (
        f"{tmp_path}/a.npy: expected an archive written by numpy.savez, "
        "got damaged data (File is not a zip file); write or fetch the file again"
    )


def test_one_flipped_bit_in_the_numbers_is_found(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, x=X, y=Y)
    content = bytearray(path.read_bytes())
    content[content.index(X.tobytes()) + 9] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        Npz(path)
    assert str(caught.value) == (
        f"{path}: expected an archive written by numpy.savez, "
        "got damaged data (Bad CRC-32 for file 'x.npy'); write or fetch the file again"
    )


def test_a_compression_that_numpy_does_not_write_is_named(tmp_path):
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("x.npy", b"")
    with pytest.raises(DataError) as caught:
        Npz(path)
    assert str(caught.value) == (
        f"{path}, array 'x': expected an archive written by numpy.savez, got another kind of compression; "
        "save it again"
    )


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@given(data=st.data())
def test_a_damaged_file_gives_a_dataset_or_one_line(damaged, read_or_one_line, tmp_path_factory, save, data):
    path = tmp_path_factory.getbasetemp() / "damaged.npz"
    file = io.BytesIO()
    save(file, x=X, y=Y, x_validation=X, y_validation=Y)
    path.write_bytes(damaged(file.getvalue(), data))
    read_or_one_line(lambda: Npz(path), path)
