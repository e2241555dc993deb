"""Data that a run meets later are mapped by the names of its training data."""

from __future__ import annotations

import re

import numpy as np
import pytest

from dtrain import ArrayRows, DataError, Dataset, Schema


class Table(Dataset):
    """Four rows of two columns and a class each."""

    def __init__(self, schema: Schema, validation: bool = False) -> None:
        self.schema = schema
        self.train = ArrayRows(np.arange(8.0).reshape(4, 2), np.array([0, 1, 0, 1]))
        if validation:
            self.validation = ArrayRows(np.arange(2.0)[None], np.array([1]))


def everything(rows):
    return rows.rows(np.arange(len(rows)))


def test_columns_come_in_the_recorded_order_and_classes_by_their_recorded_numbers():
    table = Table(Schema(("b", "a"), ("kind",), ("dog", "fox")), validation=True)
    recorded = Schema(("a", "b"), ("kind",), ("cat", "dog", "fox"))
    table.conform(recorded)
    x, y = everything(table.train)
    assert x.tolist() == [[1, 0], [3, 2], [5, 4], [7, 6]]
    assert y.tolist() == [1, 2, 1, 2]
    assert [part.tolist() for part in everything(table.validation)] == [[[1, 0]], [2]]
    assert table.schema == recorded
    assert table.train.shape == (2,)


def test_what_is_as_recorded_stays_the_very_same_rows():
    schema = Schema(("a", "b"), ("kind",), ("dog", "fox"))
    table = Table(schema)
    before = table.train
    table.conform(schema)
    assert table.train is before


def test_a_source_without_names_is_taken_as_it_is():
    table = Table(Schema())
    before = table.train
    table.conform(Schema(("a", "b")))
    assert table.train is before


@pytest.mark.parametrize(
    ("recorded", "found", "message"),
    [
        (
            Schema(("a", "c")),
            Schema(("a", "b")),
            "expected the columns of training, got 'a', 'b' without 'c'; rename or add the column",
        ),
        (
            Schema(("a",)),
            Schema(("a", "b")),
            "expected the columns of training, 'a', got 'b' too; leave it out",
        ),
        (
            Schema(classes=("cat", "dog")),
            Schema(classes=("ant", "dog")),
            "expected the classes of training, 'cat', 'dog', got 'ant' too; correct its rows, or train a new run",
        ),
        (
            Schema(classes=("cat", "dog")),
            Schema(),
            "expected a target of names, as in training, got one of numbers; correct the target",
        ),
        (
            Schema(),
            Schema(classes=("cat", "dog")),
            "expected a target of numbers, as in training, got one of names; correct the target",
        ),
        (
            Schema(target_kind="number"),
            Schema(target_kind="class"),
            "expected a target of kind 'number', as in training, got 'class'; correct the target",
        ),
    ],
)
def test_what_does_not_fit_is_named(recorded, found, message):
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        Table(found).conform(recorded)
