"""The record of a dataset tells rows of other content from the same rows in another order."""

from __future__ import annotations

import json

import numpy as np
import pytest

from dtrain import ArrayRows, Dataset, Schema
from dtrain.data import DataRecord, changed, record_of
from dtrain.data import record as module
from dtrain.errors import CheckpointError


class Data(Dataset):
    """Arrays as a dataset."""

    def __init__(self, x, y=None, whole=True, schema=None):
        self.train = ArrayRows(x, y, whole=whole)
        self.schema = schema or Schema()


def numbers(rows=50, columns=3, dtype=np.float64):
    return (100 * np.random.default_rng(1).normal(size=(rows, columns))).astype(dtype)


X, Y = numbers(), np.arange(50)


def hashes(*arrays, **options):
    record = record_of(Data(*arrays, **options)).train
    return record.content, record.order


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64, np.int32, np.int16, np.uint8, np.bool_])
@pytest.mark.parametrize("columns", [1, 2, 3, 7, 8, 9])
def test_every_bit_of_every_row_counts(dtype, columns):
    x = numbers(6, columns, dtype)
    seen = {hashes(x)}
    raw = x.view(np.uint8)
    bits = [0] if dtype is np.bool_ else range(8)
    for place in np.ndindex(raw.shape):
        for bit in bits:
            raw[place] ^= 1 << bit
            seen.add(hashes(x))
            raw[place] ^= 1 << bit
    assert len(seen) == 1 + raw.size * len(bits)


def test_rows_in_another_order_have_the_same_content():
    order = np.random.default_rng(2).permutation(50)
    (content, before), (same, after) = hashes(X, Y), hashes(X[order], Y[order])
    assert content == same
    assert before != after


def test_targets_belong_to_their_rows():
    swapped = Y.copy()
    swapped[[3, 4]] = swapped[[4, 3]]
    assert hashes(X, Y)[0] != hashes(X, swapped)[0]
    assert hashes(X)[0] != hashes(X, Y)[0]


def test_blocks_do_not_show(monkeypatch):
    whole = hashes(X, Y)
    monkeypatch.setattr(module, "BYTES_AT_ONCE", 7 * (3 * 8 + 8))
    assert hashes(X, Y) == whole


def test_columns_and_equal_rows_do_not_cancel():
    x = np.zeros((4, 2))
    assert len({hashes(x), hashes(x + np.array([0, 1])), hashes(x + np.array([1, 0])), hashes(x[:3])}) == 4
    assert hashes(np.ones((2, 1)))[0] != hashes(np.full((2, 1), 2.0))[0]


def test_data_that_are_not_in_memory_are_read_at_places():
    class Counting(ArrayRows):
        read = 0

        def rows(self, indices):
            self.read += len(indices)
            return super().rows(indices)

    data = Data(np.zeros((1, 1)))
    data.train = Counting(np.arange(100_000.0)[:, None], whole=False)
    record = record_of(data).train
    assert record.sampled
    assert data.train.read == 1 + module.PLACES * module.ROWS_PER_PLACE
    data.train.x[-1] = 7
    assert record_of(data).train.content != record.content


def test_a_few_rows_that_are_not_in_memory_are_read_once():
    assert hashes(X[:5], whole=False) == hashes(X[:5])


def test_the_record_survives_json():
    schema = Schema(("a", "b", "c"), ("kind",), ("cat", "dog"), "class")
    record = record_of(Data(X.astype(np.uint8), Y % 2, schema=schema))
    again = DataRecord.from_dict(json.loads(json.dumps(record.as_dict())), "here")
    assert again == record
    assert record.as_dict()["train"]["x"] == {"shape": [3], "dtype": "uint8", "scaling": "1/255"}


def test_another_table_is_no_record():
    with pytest.raises(
        CheckpointError, match=r"^run/data.json: expected a record of the data, got another \(.+\)$"
    ):
        DataRecord.from_dict({"schema": {}, "train": 3}, "run/data.json")


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (Data(X, Y), None),
        (Data(X[:49], Y[:49]), "got 49 instead of 50 samples"),
        (Data(X.astype(np.float32), Y), "got x of float32 (3,) instead of float64 (3,)"),
        (Data(X), "got y of none instead of int64 ()"),
        (Data(X[::-1], Y[::-1]), "got the same samples in another order"),
        (Data(X + 1, Y), "got as many samples of other content"),
        (Data(X, Y, schema=Schema(classes=("a", "b"))), 'got classes ["a", "b"] instead of []'),
    ],
)
def test_what_has_changed_is_said(now, said):
    assert changed(record_of(Data(X, Y)), record_of(now)) == said


def test_samples_to_validate_on_are_compared_too():
    first, second = Data(X, Y), Data(X, Y)
    first.validation, second.validation = ArrayRows(X[:5], Y[:5]), ArrayRows(X[5:10], Y[5:10])
    before = record_of(first)
    assert (
        changed(before, record_of(second))
        == "got as many samples of other content among the validation samples"
    )
    assert changed(before, record_of(Data(X, Y))) == "got no validation samples"
    assert changed(record_of(Data(X, Y)), before) == "got its own validation samples"


def test_no_sample_is_a_record_too():
    assert record_of(Data(np.zeros((0, 3)))).train.rows == 0
