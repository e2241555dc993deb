from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dtrain import ArrayRows, DataError, Dataset, Subset


def rows_of_twelve(y=True):
    x = np.arange(24, dtype=np.float32).reshape(12, 2)
    return ArrayRows(x, np.arange(12) * 10 if y else None)


def test_rows_come_in_the_order_of_the_indices_in_the_stored_dtype():
    rows = rows_of_twelve()
    x, y = rows.rows(np.array([3, 0, 3]))
    assert len(rows) == 12
    assert rows.shape == (2,)
    assert rows.whole
    assert x.dtype == np.float32
    assert x.tolist() == [[6, 7], [0, 1], [6, 7]]
    assert y.tolist() == [30, 0, 30]


def test_rows_without_targets_give_none():
    x, y = rows_of_twelve(y=False).rows(np.array([1]))
    assert x.tolist() == [[2, 3]]
    assert y is None


def test_no_indices_give_no_rows():
    x, y = rows_of_twelve().rows(np.empty(0, np.int64))
    assert x.shape == (0, 2)
    assert y.shape == (0,)


def test_rows_are_copies():
    rows = rows_of_twelve()
    rows.rows(np.array([0]))[0][:] = -1
    assert rows.x[0].tolist() == [0, 1]


def test_an_index_beyond_the_end_is_an_error():
    with pytest.raises(IndexError):
        rows_of_twelve().rows(np.array([12]))


def test_x_and_y_of_different_lengths_are_an_error():
    with pytest.raises(DataError) as caught:
        ArrayRows(np.zeros((3, 2)), np.zeros(4))
    assert str(caught.value) == "expected as many rows in y as in x, 3, got 4"


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["u1", "<i8", "<f4", ">f8"])
def test_rows_of_a_memory_map_are_plain_contiguous_arrays(tmp_path, order, dtype):
    stored = np.asarray(np.arange(60).reshape(5, 4, 3), dtype, order=order)
    np.save(tmp_path / "x.npy", stored)
    rows = ArrayRows(np.load(tmp_path / "x.npy", mmap_mode="r"), whole=False)
    x, _ = rows.rows(np.array([4, 1]))
    assert type(x) is np.ndarray
    assert x.flags.c_contiguous
    assert x.dtype == stored.dtype
    assert np.array_equal(x, stored[[4, 1]])
    assert not rows.whole


@given(st.data())
def test_a_subset_of_a_subset_reads_the_right_rows(data):
    outer = data.draw(st.lists(st.integers(0, 11), min_size=1))
    inner = data.draw(st.lists(st.integers(0, len(outer) - 1), min_size=1))
    wanted = data.draw(st.lists(st.integers(0, len(inner) - 1)))
    rows = Subset(Subset(rows_of_twelve(), outer), inner)
    _, y = rows.rows(np.array(wanted, np.int64))
    assert len(rows) == len(inner)
    assert y.tolist() == [10 * outer[inner[index]] for index in wanted]


@pytest.mark.parametrize("whole", [True, False])
def test_a_subset_keeps_shape_and_whole(whole):
    rows = Subset(ArrayRows(np.zeros((4, 2, 3)), whole=whole), np.array([1]))
    assert rows.shape == (2, 3)
    assert rows.whole is whole


def test_a_dataset_has_no_validation_and_no_examples_unless_it_says_so():
    assert Dataset.validation is None
    assert Dataset.examples == []
