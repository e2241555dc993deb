"""Whether the first row is a header is judged by all rows below it, or said; nothing is lost without a word."""

from __future__ import annotations

import pytest

from dtrain import Schema

FLOATS = "0.1,0.2,0.3\n0.4,0.5,0.6\n0.7,0.8,0.9\n"


@pytest.mark.parametrize("names", ["0,1,2", "2019,2020,2021", "1990,2000,2010", "3,1,2"])
def test_numbers_above_other_numbers_are_a_sample_with_a_warning(read, tmp_path, names):
    data = read(f"{names}\n{FLOATS}")
    assert len(data.train) == 4
    assert data.warnings == (
        f"{tmp_path}/a.csv: line 1 is taken for a sample; if its numbers are the names of the columns, "
        "set header = true, else header = false",
    )
    said = read(f"{names}\n{FLOATS}", header=True)
    assert (len(said.train), said.warnings) == (3, ())
    assert said.schema.features == tuple(names.split(",")[:2])
    assert read(f"{names}\n{FLOATS}", header=False).warnings == ()


@pytest.mark.parametrize(
    "content", ["1,2,3\n4,5,6\n7,8,9\n", "1,2,3\n2,3,4\n9,1,5\n", "1,0.5\n2,3\n", FLOATS, "7,1,0\n8,2,1\n"]
)
def test_samples_alone_are_not_warned_about(read, content):
    assert read(content).warnings == ()


def test_names_that_count_above_whole_numbers_are_warned_about(read):
    assert "set header = true" in read("0,1,2\n5,3,9\n4,4,4\n").warnings[0]
    assert "set header = true" in read("2010,2011,2012\n15,18,20\n11,3,7\n").warnings[0]


@pytest.mark.parametrize("names", [",0,1", '"",2010,2015'])
def test_whole_numbers_behind_an_empty_cell_are_a_header(read, names):
    data = read(f"{names}\n0,0.1,0.2\n1,0.4,0.5\n2,0.7,0.8\n")
    assert data.train.x[:, 1].tolist() == [0.1, 0.4, 0.7]
    assert data.schema.features[0] == "column 0"


def test_an_empty_cell_in_a_first_sample_is_no_header(refused):
    assert refused(",0.5,1.2\n3,0.7,1.1\n4,0.1,1.3\n") == (
        "line 1, column 0: expected a number, got '', which marks a missing one; fill the cell, or set "
        'missing_rows = "skip"'
    )


def test_a_first_row_of_names_and_numbers_has_to_be_said(read, refused):
    content = "1.2,n.d.,0\n3,4,1\n5,6,0\n"
    assert refused(content) == (
        "line 1: expected names or a sample, got '1.2' in column 0 and 'n.d.' in column 1, both above numbers; "
        "set header = true or header = false"
    )
    assert len(read(content, header=True).train) == 2
    assert refused(content, header=False) == (
        "line 1, column 1: expected a number, got 'n.d.'; correct the cell, or set missing = [\"n.d.\"], "
        'missing_rows = "skip"'
    )
    assert len(read(content, header=False, missing=["n.d."], missing_rows="skip").train) == 2


def test_a_header_without_being_one_is_named(refused):
    assert refused("a,b,c\n1,2,3\n4,5,6\n", header=False) == (
        "line 1, column 0: expected a number, got 'a'; correct the cell, or set header = true"
    )


def test_rows_with_names_as_r_writes_them_are_recognised(read, tmp_path):
    content = '"mpg" "cyl"\n"Mazda RX4" 21 6\n"Datsun 710" 22.8 4\n'
    data = read(content, "cyl", delimiter=" ")
    assert data.train.x.tolist() == [[21], [22.8]]
    assert data.schema == Schema(("mpg",), ("cyl",))
    assert data.warnings == (
        f"{tmp_path}/a.csv: column 0 has no name, as R writes the names of rows: it is left out",
    )
    assert read('"a" "b"\n"1" 2 3\n"2" 4 5\n', delimiter=" ", features=[0]).train.x.tolist() == [[1], [2]]


@pytest.mark.parametrize("count", [0, 1])
def test_a_first_column_without_a_name_that_counts_is_named(read, tmp_path, count):
    content = '"",x,kind\n' + "".join(f'"{i + count}",{i * i % 7},{"ab"[i % 2]}\n' for i in range(20))
    data = read(content, "kind")
    assert data.train.shape == (2,)
    assert data.warnings == (
        f"{tmp_path}/a.csv: column 0 (without a name) only counts the rows, and the network is trained on it; "
        "to leave it out, set ignore = [0]",
    )
    data = read(content, "kind", ignore=[0])
    assert (data.train.shape, data.warnings) == ((1,), ())


@pytest.mark.parametrize(
    "name", ["id", "ID", "index", "Unnamed: 0", "rownames", "row_id", "Obs.", "sample_id"]
)
def test_a_column_with_the_name_of_a_row_number_that_counts_is_named(read, tmp_path, name):
    content = f"x,{name},y\n" + "".join(f"{i * i % 7},{i + 100},{i % 2}\n" for i in range(9))
    assert read(content).warnings == (
        f"{tmp_path}/a.csv: column 1 ({name!r}) only counts the rows, and the network is trained on it; "
        f'to leave it out, set ignore = ["{name}"]',
    )


@pytest.mark.parametrize(
    ("content", "options"),
    [
        ("t,y\n0,5\n1,3\n2,4\n3,4\n", {}),
        ("id,y\n3,5\n3,3\n1,4\n2,4\n", {}),
        ("id,x,y\n1,5,1\n2,3,2\n3,4,4\n", {"features": ["id", "x"]}),
        ("0.5,5,0\n1.5,3,1\n2.7,4,1\n", {}),
    ],
)
def test_columns_that_do_not_count_rows_are_not_named(read, content, options):
    assert read(content, **options).warnings == ()


def test_shuffled_row_numbers_without_a_name_are_named_too(read):
    assert len(read(",x,y\n3,5,1\n1,3,2\n2,4,4\n7,4,4\n").warnings) == 1
    assert len(read("1,5,1\n2,3,0\n3,4,1\n4,4,0\n").warnings) == 1
