# ruff: noqa: E501 (each message stands in full on one line)
"""Which columns are read, by name or number, and what is said of those that are no numbers."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from dtrain import Schema

TABLE = "id,a,b,kind,y\n7,1,2,red,0.5\n9,3,4,blue,1.5\n"


@pytest.mark.parametrize(
    ("options", "names", "x"),
    [
        ({"ignore": ["kind"]}, ("id", "a", "b"), [[7, 1, 2], [9, 3, 4]]),
        ({"ignore": [3, "id"]}, ("a", "b"), [[1, 2], [3, 4]]),
        ({"ignore": [-2, -5]}, ("a", "b"), [[1, 2], [3, 4]]),
        ({"features": ["b", "a"]}, ("b", "a"), [[2, 1], [4, 3]]),
        ({"features": [1]}, ("a",), [[1], [3]]),
        ({"features": ["a"], "ignore": ["kind"]}, ("a",), [[1], [3]]),
    ],
)
def test_features_are_chosen_or_left_out_by_name_or_number(read, options, names, x):
    data = read(TABLE, "y", **options)
    assert data.schema == Schema(names, ("y",), target_kind="number")
    assert data.train.x.tolist() == x
    assert data.train.y.tolist() == [0.5, 1.5]


def test_without_a_target_all_columns_are_features(read):
    data = read("a,b\n1,2\n3,4\n", None)
    assert data.train.x.tolist() == [[1, 2], [3, 4]]
    assert data.train.y is None
    assert data.schema == Schema(("a", "b"))
    assert read("1\n2\n", None).train.x.tolist() == [[1], [2]]


def test_several_targets_are_columns_of_y(read):
    data = read("a,b,c\n1,10,1.5\n2,20,3\n", ["c", 1])
    assert data.train.x.tolist() == [[1], [2]]
    assert data.train.y.tolist() == [[1.5, 10], [3, 20]]
    assert data.schema == Schema(("a",), ("c", "b"), target_kind="number")
    data = read("a,b,c\n1,0,1\n2,1,1\n", ["b", "c"])
    assert (data.train.y.dtype.kind, data.train.y.tolist()) == ("i", [[0, 1], [1, 1]])
    assert read("a,b\n1,2\n", ["b"]).train.y.shape == (1, 1)


def test_columns_of_one_name_are_told_apart(read, refused):
    data = read("a,a,,y\n1,2,3,4\n5,6,7,8\n", "y")
    assert data.schema.features == ("a", "a.1", "column 2")
    assert refused("a,a,y\n1,2,3\n", "y", ignore=["a"]) == (
        "expected one column named 'a' in the first row, got 2; give the column's number as ignore"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "line 2, column 3 ('kind'): expected a number, got 'red', text as in most rows; set ignore = [\"kind\"]"),
        ({"ignore": ["a"]}, "line 2, column 3 ('kind'): expected a number, got 'red', text as in most rows; set ignore = [\"a\", \"kind\"]"),
        ({"features": ["a", "kind"]}, "line 2, column 3 ('kind'): expected a number, got 'red', text as in most rows; set features = [\"a\"]"),
        ({"features": ["kind"]}, "line 2, column 3 ('kind'): expected a number, got 'red', text as in most rows; no feature would be left without it"),
        ({"ignore": ["KIND"]}, "expected one column named 'KIND' in the first row, got 'id', 'a', 'b', 'kind', 'y'; did you mean 'kind'?"),
        ({"ignore": ["c"]}, "expected one column named 'c' in the first row, got 'id', 'a', 'b', 'kind', 'y'; without a header, give the column's number as ignore"),
        ({"ignore": [5]}, "expected ignore within -5 … 4, the numbers of the columns, got 5"),
        ({"ignore": [-1]}, "expected a column named once, got column 4 ('y') in ignore and in target; name it in one of them"),
        ({"features": ["a", 1]}, "expected a column named once, got column 1 ('a') in features and in features; name it in one of them"),
        ({"ignore": [0, 1, 2, 3]}, "expected a column beside target and ignore, got 5 in all; check target, ignore and delimiter"),
    ],
)  # fmt: skip
def test_columns_that_cannot_be_read_are_named_with_the_option(refused, options, message):
    assert refused(TABLE, "y", **options) == message


def test_one_line_names_all_settings_that_make_a_file_load(read, refused):
    content = "name,a,when,b,y\n" + "".join(
        f"n{i},{'' if i == 3 else i},2020-01-0{i},{'n.d.' if i == 5 else i},{i}\n" for i in range(1, 9)
    )
    assert refused(content, "y") == (
        "line 2, column 0 ('name'): expected a number, got 'n1', text as in most rows; "
        'set ignore = ["name", "when"], missing = ["n.d."], missing_rows = "skip"'
    )
    data = read(content, "y", ignore=["name", "when"], missing=["n.d."], missing_rows="skip")
    assert data.train.y.tolist() == [1, 2, 4, 6, 7, 8]


def test_the_type_of_a_column_is_that_of_most_rows_and_the_error_is_where_it_is_not(refused):
    assert refused("a,y\n1,no\n2,1\n3,2\n4,3\n", "y") == (
        "line 2, column 1 ('y'): expected a number, as in most rows, got 'no'; correct the cell, or set "
        'target_kind = "class" if the cells name classes'
    )
    assert refused("a,y\n1,nan\n2,nan\n3,no\n", "y").startswith(
        "line 2, column 1 ('y'): expected a target, got 'nan'"
    )
    assert refused("a,y\n1\0,1\n2,2\n3,3\n", "y") == (
        "line 2, column 0 ('a'): expected a number, got '1\\x00'; correct the cell"
    )
    assert refused("a,y\n1,b\n2,b\0\n3,c\n", "y") == (
        "line 3, column 1 ('y'): expected text, got 'b\\x00'; correct the cell"
    )
    assert refused("A11 6 A34 1\nA12 7 A33 0\nA11 8 A34 1\n", delimiter=" ") == (
        "line 1, column 0: expected a number, got 'A11', text as in most rows; set ignore = [0, 2]"
    )


@pytest.mark.parametrize(
    ("cells", "settings"),
    [
        (["1,100", "12,000"], 'thousands = ","'),
        (["3,5", "4,25"], 'decimal = ","'),
        (["1.234,5", "7.000"], 'thousands = ".", decimal = ","'),
        (["1 234", "5 678"], 'thousands = " "'),
        (["1'234.5", "5"], 'thousands = "\'"'),
        (["'1'", "'2'"], 'quote = "\'"'),
    ],
)
def test_numbers_in_another_notation_name_the_option(read, refused, cells, settings):
    content = "a;b\n" + "".join(f"{cell};{row}\n" for row, cell in enumerate(cells))
    options = tomllib.loads(settings.replace('", ', '"\n'))
    for target in "ab":
        assert refused(content, target, delimiter=";").endswith(f"set {settings}")
        assert len(read(content, target, delimiter=";", **options).train) == len(cells)


def test_a_whole_number_that_float64_rounds_is_warned_about(read, tmp_path):
    data = read("a,b\n1,2\n9007199254740993,4\n9007199254740992,5\n")
    assert data.warnings == (
        f"{tmp_path}/a.csv: line 3, column 0: a whole number beyond 2^53 is rounded to float64; "
        'if it is no quantity, set ignore = ["a"]',
    )
    assert read("a,b\n9007199254740992,2\n1e300,4\n").warnings == ()
    assert read("a,b\n1,9007199254740993\n").train.y.tolist() == [9007199254740993]


def test_the_example_of_the_readme_is_what_is_printed(refused):
    content = "name,age,city,y\n" + "".join(
        f"{name},{age},Rome,{age}\n" for name, age in [("Ada", 36), ("Bo", "NA"), ("Cy", 4)]
    )
    line = refused(content, "age", name="people.csv")
    assert f"people.csv: {line}" in (Path(__file__).parents[4] / "README.md").read_text()
