# ruff: noqa: E501 (each message stands in full on one line)
from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dtrain import DataError
from dtrain_plugins.datasets.npy import Npy

X, Y = np.arange(12, dtype=np.float32).reshape(6, 2), np.arange(6)


@pytest.fixture
def saved(tmp_path):
    """Saves arrays as NAME.npy; returns their paths as options."""

    def save(**arrays):
        for name, array in arrays.items():
            np.save(tmp_path / f"{name}.npy", array)
        return {name: tmp_path / f"{name}.npy" for name in arrays}

    return save


def test_rows_are_read_from_the_files_in_their_stored_dtype(saved):
    data = Npy(**saved(x=X, y=Y, x_validation=X[:2] + 1, y_validation=Y[:2]))
    x, y = data.train.rows(np.array([5, 0]))
    assert type(x) is np.ndarray
    assert x.dtype == np.float32
    assert x.tolist() == [[10, 11], [0, 1]]
    assert y.tolist() == [5, 0]
    assert data.validation.rows(np.array([1]))[0].tolist() == [[3, 4]]


def test_the_files_are_mapped_never_read_whole(saved):
    data = Npy(**saved(x=X, y=Y))
    assert not data.train.whole
    for array in (data.train.x, data.train.y):
        assert isinstance(array.base, np.memmap)
        assert not array.flags.writeable


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["?", "u1", "<i8", ">f4"])
def test_every_dtype_and_order_gives_the_values_that_were_saved(saved, dtype, order):
    x = np.asarray(np.arange(24).reshape(4, 3, 2) % 2, dtype, order=order)
    rows = Npy(**saved(x=x)).train.rows(np.array([3, 1]))[0]
    assert np.array_equal(rows, x[[3, 1]])
    assert rows.flags.c_contiguous


def test_targets_and_validation_may_be_missing(saved):
    data = Npy(**saved(x=X))
    assert data.train.rows(np.array([0]))[1] is None
    assert data.validation is None


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": X, "y": Y[:4]}, "{0}/y.npy: expected as many rows as in {0}/x.npy, 6, got 4"),
        ({"x": X[:, 0]}, "{0}/x.npy: expected an axis of rows and at least one more, got shape (6,); reshape it to (6, 1)"),
        ({"x": X[:0]}, "{0}/x.npy: expected at least one row and no empty axis, got shape (0, 2)"),
        ({"x": np.array([[object()]])}, "{0}/x.npy: expected bool, integers or floats, got dtype object; convert the array"),
        ({"x": X, "x_validation": X[:, :1]}, "{0}/x_validation.npy: expected rows of shape (2,), as in {0}/x.npy, got (1,)"),
        ({"x": X, "y": Y, "x_validation": X, "y_validation": X}, "{0}/y_validation.npy: expected rows of shape (), as in {0}/y.npy, got (2,)"),
        ({"x": X, "x_validation": X.astype("u1")}, "{0}/x_validation.npy: expected dtype float32, as in {0}/x.npy, got uint8; uint8 is scaled to [0, 1], other dtypes are not"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(saved, tmp_path, arrays, message):
    with pytest.raises(DataError) as caught:
        Npy(**saved(**arrays))
    assert str(caught.value) == message.format(tmp_path)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": X, "y_validation": Y}, "expected x_validation beside y_validation, got none; name both or neither"),
        ({"x": X, "y": Y, "x_validation": X}, "expected y_validation beside x_validation, got none; name both or neither"),
    ],
)  # fmt: skip
def test_half_a_validation_set_is_a_wrong_option(saved, arrays, message):
    with pytest.raises(ValueError, match="beside") as caught:
        Npy(**saved(**arrays))
    assert str(caught.value) == message


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError) as caught:
        Npy(tmp_path / "x.npy")
    assert str(caught.value) == f"{tmp_path}/x.npy: expected a .npy file, got no such file; check the path"


@pytest.mark.parametrize(("cut", "got"), [(-1, "47"), (-48, "0"), (None, "more")])
def test_a_file_shorter_or_longer_than_its_header_says_is_named(saved, cut, got):
    path = saved(x=X)["x"]
    path.write_bytes(path.read_bytes()[:cut] + (b"!" if cut is None else b""))
    with pytest.raises(DataError) as caught:
        Npy(path)
    assert str(caught.value) == (
        f"{path}: expected 48 bytes for shape (6, 2) of float32, got {got}; write or fetch the file again"
    )


@given(data=st.data())
def test_a_damaged_file_gives_a_dataset_or_one_line(damaged, read_or_one_line, tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "damaged.npy"
    np.save(path, X)
    path.write_bytes(damaged(path.read_bytes(), data))

    def read():
        rows = Npy(path).train
        rows.rows(np.arange(len(rows)))

    read_or_one_line(read, path)
