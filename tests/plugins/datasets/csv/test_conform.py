# ruff: noqa: E501 (each message stands in full on one line)
"""Another file is read by the columns and classes of the training data."""

from __future__ import annotations

import pytest

from dtrain import DataError, Schema
from dtrain_plugins.datasets.csv import Csv

RECORDED = Schema(("a", "b"), ("kind",), ("cat", "dog", "fox"), "class")


@pytest.fixture
def conformed(tmp_path):
    def conformed(content, recorded=RECORDED, target="kind", **options):
        path = tmp_path / "a.csv"
        path.write_text(content)
        data = Csv(path, target, **options)
        data.conform(recorded)
        return data

    return conformed


def both(data):
    return data.train.x.tolist(), None if data.train.y is None else data.train.y.tolist()


@pytest.mark.parametrize(
    "content",
    [
        "a,b,kind\n1,2,fox\n3,4,dog\n",
        "b,a,kind\n2,1,fox\n4,3,dog\n",
        "kind,b,name,a,when\nfox,2,Rex,1,2020-01-01\ndog,4,?,3,\n",
        ",a,b,c,kind\n0,1,2,NA,fox\n1,3,4,NA,dog\n",
    ],
    ids=["as it was", "other order", "text beside", "missing cells beside"],
)
def test_columns_are_found_by_name_and_others_are_not_read(conformed, content):
    data = conformed(content)
    assert both(data) == ([[1, 2], [3, 4]], [2, 1])
    assert data.schema == RECORDED
    assert data.warnings == ()


def test_a_target_by_number_is_found_by_its_name(conformed):
    assert both(conformed("kind,b,a\nfox,2,1\ndog,4,3\n", target=-1)) == ([[1, 2], [3, 4]], [2, 1])


def test_columns_that_training_ignored_may_lack(conformed):
    assert both(conformed("a,b,kind\n1,2,cat\n", ignore=["id"])) == ([[1, 2]], [0])


def test_a_target_may_lack(conformed):
    assert both(conformed("b,c,a\n2,x,1\n4,y,3\n")) == ([[1, 2], [3, 4]], None)


def test_classes_that_are_numbers_are_found_by_text_then_by_value(conformed):
    recorded = Schema(("x",), ("y",), ("1", "2", "a"), "class")
    assert both(conformed("x,y\n5,2\n6,1\n", recorded, "y")) == ([[5], [6]], [1, 0])
    recorded = Schema(("x",), ("y",), ("1.0", "2.0", "10.0"), "class")
    assert both(conformed("x,y\n5,10\n6,1\n", recorded, "y", target_kind="class")) == ([[5], [6]], [2, 0])


def test_whole_numbers_are_numbers_where_training_had_numbers(conformed):
    data = conformed("x,y\n5,2\n6,1\n", Schema(("x",), ("y",), (), "number"), "y")
    assert (data.train.y.dtype.kind, data.train.y.tolist()) == ("f", [2, 1])


def test_it_holds_after_the_file_was_read_once(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("b,a,kind\n2,1,fox\n4,3,dog\n")
    data = Csv(path, "kind")
    assert data.train.y.tolist() == [1, 0]
    data.conform(RECORDED)
    assert both(data) == ([[1, 2], [3, 4]], [2, 1])


def test_a_file_without_a_header_is_read_by_place(conformed):
    assert both(conformed("1,2,fox\n3,4,dog\n", target=-1)) == ([[1, 2], [3, 4]], [2, 1])


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("a,b,kind\n1,2,wolf\n", {}, "line 2, column 2 ('kind'): expected a class of training, 'cat', 'dog', 'fox', got 'wolf'; correct the cell, or train a new run"),
        ("a,b,kind\n1,2,cat\n3,4,ant\n", {"target": -1}, "line 3, column 2 ('kind'): expected a class of training, 'cat', 'dog', 'fox', got 'ant'; correct the cell, or train a new run"),
        ("a,c,kind\n1,2,cat\n", {}, "expected the columns of training, got 'a', 'c', 'kind' without 'b'; rename or add the column"),
        ("x,y,kind\n1,2,cat\n", {"target": -1}, "expected the columns of training, got 'x', 'y', 'kind' without 'a'; rename or add the column"),
        ("a,b,kind\n1,red,cat\n2,blue,dog\n", {}, "line 2, column 1 ('b'): expected a number, got 'red', text as in most rows; correct the cell"),
        ("a,b,kind\n1,2,NA\n2,3,dog\n", {}, "line 2, column 2 ('kind'): expected a target, got 'NA', which marks a missing one; fill the cell, or set missing_rows = \"skip\", or missing = [] if it names a class"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(conformed, tmp_path, content, options, message):
    with pytest.raises(DataError) as caught:
        conformed(content, **options)
    assert str(caught.value) == f"{tmp_path}/a.csv: {message}"


def test_text_is_no_target_where_training_had_numbers(conformed, tmp_path):
    with pytest.raises(DataError) as caught:
        conformed("x,y\n5,red\n6,blue\n", Schema(("x",), ("y",), (), "number"), "y")
    assert str(caught.value) == (
        f"{tmp_path}/a.csv: line 2, column 1 ('y'): expected a number, as in most rows, got 'red'; correct the cell, "
        'or set target_kind = "class" if the cells name classes'
    )
