# ruff: noqa: E501 (each message stands in full on one line)
"""Marks for missing values are the same for headers, features and targets."""

from __future__ import annotations

import pytest

from dtrain_plugins.datasets.csv.numbers import MISSING

MARKS = [*MISSING, "NA", "NaN", " N/A ", "NULL", "None", "<NA>", "-nan", "+NaN"]


@pytest.mark.parametrize("mark", MARKS)
def test_a_mark_in_a_target_of_text_is_an_error_and_no_class(read, refused, mark):
    content = f"x,label\n1,yes\n2,{mark}\n3,no\n"
    line = refused(content, "label")
    assert line.startswith(
        f"line 3, column 1 ('label'): expected a target, got {mark.lstrip()!r}, which marks a missing one; "
        'fill the cell, or set missing_rows = "skip"'
    )
    always = mark.lower() in ("", "nan", "-nan", "+nan")
    assert line.endswith(", or missing = [] if it names a class") != always
    data = read(content, "label", missing_rows="skip")
    assert (data.train.x.tolist(), data.train.y.tolist()) == ([[1], [3]], [1, 0])
    assert data.schema.classes == ("no", "yes")


@pytest.mark.parametrize("mark", MARKS)
@pytest.mark.parametrize("target", ["x", "z"])
def test_a_mark_among_numbers_is_an_error_or_its_row_is_skipped(read, refused, tmp_path, mark, target):
    content = f"x,y,z\n1,2,3\n{mark},5,{mark}\n7,8,9\n"
    what = "target" if target == "x" else "number"
    assert refused(content, target) == (
        f"line 3, column 0 ('x'): expected a {what}, got {mark.lstrip()!r}, which marks a missing one; "
        'fill the cell, or set missing_rows = "skip"'
    )
    data = read(content, target, missing_rows="skip")
    assert data.train.y.tolist() == ([1, 7] if target == "x" else [3, 9])
    assert data.warnings == (
        f"{tmp_path}/a.csv: 1 of 3 rows are skipped, which have a missing cell, the first in line 3",
    )


@pytest.mark.parametrize("mark", [mark for mark in MARKS if mark])
def test_a_mark_in_the_first_row_does_not_make_it_a_header(read, mark):
    assert len(read(f"{mark},2\n3,4\n5,6\n", missing_rows="skip").train) == 2


def test_marks_may_be_given_in_place_of_the_usual_ones(read, refused):
    data = read(
        "a,b\n1,2\n-999,4\n5,-999.0\n7,unknown\n9,3\n", missing=["-999", "Unknown"], missing_rows="skip"
    )
    assert data.train.x.tolist() == [[1], [9]]
    assert refused("a,b\n1,2\nNA,4\n5,6\n", missing=["-999"]) == (
        "line 3, column 0 ('a'): expected a number, got 'NA'; correct the cell, or set missing = [\"NA\"], missing_rows = \"skip\""
    )
    assert refused("a,b\n1,2\n?,4\n-999,6\n5,6\n", missing=["-999"]).endswith(
        'or set missing = ["-999", "?"], missing_rows = "skip"'
    )


def test_without_marks_an_empty_cell_and_a_nan_are_missing_still(read, refused):
    data = read("x,label\n1,NA\n2,none\n3,-\n", "label", missing=[])
    assert data.schema.classes == ("-", "NA", "none")
    assert "got '', which marks a missing one" in refused("x,label\n1,a\n2,\n3,b\n", "label", missing=[])
    assert "got 'nan', which marks a missing one" in refused(
        "x,label\n1,1\n2,nan\n3,2\n", "label", missing=[]
    )


def test_a_column_that_is_mostly_missing_is_better_ignored(read, refused):
    content = "a,b,y\n1,,1\n2,,2\n3,4,3\n4,,4\n"
    assert refused(content) == (
        "line 2, column 1 ('b'): expected a number, got '', which marks a missing one; fill the cell, or set ignore = [\"b\"]"
    )
    assert len(read(content, ignore=["b"]).train) == 4


def test_where_no_row_is_whole_a_column_is_named(read, refused):
    content = "a,b,y\n1,,1\n,2,2\n3,,3\n,4,4\n"
    settings = 'set ignore = ["a"], missing_rows = "skip"'
    assert refused(content).endswith(f"fill the cell, or {settings}")
    assert refused(content, missing_rows="skip") == (
        'expected a row without a missing cell, got none; set ignore = ["a"]'
    )
    assert read(content, ignore=["a"], missing_rows="skip").train.x.tolist() == [[2], [4]]


def test_a_target_that_is_missing_everywhere_is_no_target(refused):
    assert refused("a,y\n1,NA\n2,NA\n", "y") == (
        "line 2, column 1 ('y'): expected a target, got 'NA' as in all rows; choose another target"
    )


@pytest.mark.parametrize("cell", ["inf", "-Infinity", "1e999"])
def test_what_is_not_finite_is_no_number(read, refused, cell):
    for target in "ab":
        options = f'missing = ["{cell}"], missing_rows = "skip"'
        assert refused(f"a,b\n1,2\n{cell},3\n4,5\n", target) == (
            f"line 3, column 0 ('a'): expected a finite number of float64 (up to 1.8e308), got {cell}; correct the cell, or set {options}"
        )
        data = read(f"a,b\n1,2\n{cell},3\n4,5\n", target, missing=[cell], missing_rows="skip")
        assert len(data.train) == 2
