# ruff: noqa: E501 (each message stands in full on one line)
from __future__ import annotations

import gzip

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dtrain import DataError, Schema
from dtrain_plugins.datasets.csv import Csv

TABLE = "a,b,label\n1,2,7\n3,4,8\n5.5,-6e-1,7\n"
NUMBERS = [[1, 2], [3, 4], [5.5, -0.6]]


def all_of(data):
    x, y = data.train.rows(np.arange(len(data.train)))
    assert x.dtype == np.float64
    assert data.train.whole
    assert data.validation is None
    return x.tolist(), y.tolist()


@pytest.mark.parametrize("target", ["label", 2, -1])
def test_the_target_is_a_column_by_name_or_number(read, target):
    data = read(TABLE, target)
    assert all_of(data) == (NUMBERS, [7, 8, 7])
    assert data.train.y.dtype == np.int64
    assert data.schema == Schema(("a", "b"), ("label",))


def test_the_other_columns_keep_their_order(read):
    assert all_of(read("1,2,3\n4,5,6\n", 1)) == ([[1, 3], [4, 6]], [2, 5])
    assert all_of(read("1,2,3\n4,5,6\n", -3)) == ([[2, 3], [5, 6]], [1, 4])


@pytest.mark.parametrize(
    "content",
    [
        TABLE.replace("\n", "\r\n"),
        TABLE.rstrip("\n"),
        "\n\n" + TABLE.replace("\n", "\n\n"),
        "\ufeff" + TABLE,
        gzip.compress(TABLE.encode()),
        TABLE.replace(",", ", "),
        '"a","b","label"\n"1","2","7"\n3,4,8\n5.5,-6e-1,7\n',
        "no\\,tab,label\n".replace("\\,", ",") + TABLE.partition("\n")[2],
    ],
    ids=["crlf", "no last newline", "blank lines", "byte order mark", "gzip", "spaces", "quotes", "names"],
)
def test_the_ways_to_write_a_table_are_read_alike(read, content):
    assert all_of(read(content, "label")) == (NUMBERS, [7, 8, 7])


@pytest.mark.parametrize("delimiter", [";", "\t", " ", "|"])
def test_other_delimiters_are_read_alike(read, delimiter):
    data = read(TABLE.replace(",", delimiter), "label", delimiter=delimiter)
    assert all_of(data) == (NUMBERS, [7, 8, 7])


def test_floats_as_targets_are_float64(read):
    data = read("1,0.5\n2,3\n")
    assert all_of(data) == ([[1], [2]], [0.5, 3])
    assert data.train.y.dtype == np.float64
    assert data.schema == Schema(targets=("column 1",), target_kind="number")


def test_text_as_targets_becomes_classes_in_sorted_order(read):
    data = read("x,kind\n1,pear\n2,äpfel\n3, fig\n4,pear\n", "kind")
    assert all_of(data) == ([[1], [2], [3], [4]], [1, 2, 0, 1])
    assert data.train.y.dtype == np.int64
    assert data.schema == Schema(("x",), ("kind",), ("fig", "pear", "äpfel"), "class")


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        ("1,2\n3,4\n", 2),
        ("a,b\n3,4\n", 1),
        ("1,pear\n3,fig\n", 2),
        ("x,pear\n3,fig\n", 1),
        ("1,b\n", 1),
    ],
    ids=["numbers", "names", "classes", "names and classes", "one row"],
)
def test_a_header_is_recognised_without_a_name(read, content, rows):
    assert len(read(content).train) == rows


def test_with_a_name_the_first_row_is_the_header_even_if_all_are_numbers(read):
    assert all_of(read("0,1\n5,6\n", "1")) == ([[5]], [6])


def test_a_missing_number_in_the_first_row_is_no_header(read):
    with pytest.raises(DataError, match="line 1, column 0: expected a number, got 'NA'"):
        read("NA,2\n3,4\n")


@pytest.mark.parametrize(
    ("content", "target", "message"),
    [
        ("", 0, "expected a table, got an empty file; check the path"),
        ("\n\n", 0, "expected a table, got an empty file; check the path"),
        ("1;2\n", 0, 'line 1: expected cells and \',\', got \'1;2\'; set delimiter = ";"'),
        ("a,b\n", "b", "expected at least one row below the header, got none"),
        ("1,2\n", 2, "expected target within -2 … 1, the numbers of the columns, got 2"),
        ("1,2\n", -3, "expected target within -2 … 1, the numbers of the columns, got -3"),
        ("a,b\n1,2\n", "c", "expected one column named 'c' in the first row, got 'a', 'b'; without a header, give the column's number as target"),
        ("b,b\n1,2\n", "b", "expected one column named 'b' in the first row, got 2; give the column's number as target"),
        ("1,2,3,4,5,6,7,8,9\n", "c", "expected one column named 'c' in the first row, got '1', '2', '3', '4', '5', '6', '7', '8', …; without a header, give the column's number as target"),
        ("1,2\n3,4\n5\n", 0, "line 3: expected 2 columns, as in the first row, got 1; correct the line"),
        ("1,2\n3,4,5\n", 0, "line 2: expected 2 columns, as in the first row, got 3; correct the line"),
        ("a,b,c\n1,2,3\n4,x,6\n", "c", 'line 3, column 1 (\'b\'): expected a number, got \'x\'; correct the cell, or set missing = ["x"], missing_rows = "skip"'),
        ("1,2,3\n4,5,x\n", 0, 'line 2, column 2: expected a number, got \'x\'; correct the cell, or set missing = ["x"], missing_rows = "skip"'),
        ("1,2,3\n\n4,,6\n", 0, 'line 3, column 1: expected a number, got \'\', which marks a missing one; fill the cell, or set missing_rows = "skip"'),
        ("1,2\n1_0,2\n", 1, 'line 2, column 0: expected a number, got \'1_0\'; correct the cell, or set missing = ["1_0"], missing_rows = "skip"'),
        (b"1,2\n3\xff,4\n", 1, 'line 2, column 0: expected a number, got \'3\\udcff\'; set encoding to that of the file, such as encoding = "latin-1"'),
        ("1,2\nnan,4\n", 1, 'line 2, column 0: expected a number, got \'nan\', which marks a missing one; fill the cell, or set missing_rows = "skip"'),
        ("1,2\n3,-inf\n", 0, 'line 2, column 1: expected a finite number of float64 (up to 1.8e308), got -inf; correct the cell, or set missing = ["-inf"], missing_rows = "skip"'),
        ("a,b\n1,2\n3,nan\n", "b", 'line 3, column 1 (\'b\'): expected a target, got \'nan\', which marks a missing one; fill the cell, or set missing_rows = "skip"'),
        ("1,2\n3,\n", 1, 'line 2, column 1: expected a target, got \'\', which marks a missing one; fill the cell, or set missing_rows = "skip"'),
        (b"1,fig\n3,p\xe4r\n", 1, 'line 2, column 1: expected text, got \'p\\udce4r\'; set encoding to that of the file, such as encoding = "latin-1"'),
        ("1,2\n3,4\n5,x\n", 1, 'line 3, column 1: expected a number, as in most rows, got \'x\'; correct the cell, or set target_kind = "class" if the cells name classes'),
        ("1,x\n3,y\n5,4\n", 1, 'line 3, column 1: expected text, as in most rows, got \'4\'; correct the cell, or set target_kind = "class" if it names a class'),
        ("1,2\n3,1_0\n", 1, 'line 2, column 1: expected a number, as in most rows, got \'1_0\'; correct the cell, or set target_kind = "class" if the cells name classes'),
        ("1,9223372036854775807\n3,9223372036854775808\n", 1, "line 2, column 1: expected an integer of 64 bits, got 9223372036854775808; correct the cell"),
        ('1,2\n3,"4\n', 0, 'line 2: expected cells and \',\', got unexpected end of data; check the quotes, or set quote = ""'),
        ('1,2\n"3"4,5\n', 0, 'line 2: expected cells and \',\', got \',\' expected after \'"\'; check the quotes, or set quote = ""'),
        ("1,2\n3," + "4" * 200_000, 0, 'line 2: expected cells and \',\', got field larger than field limit (131072); check the quotes, or set quote = ""'),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_by_line_and_column(refused, content, target, message):
    assert refused(content, target) == message


@pytest.mark.parametrize("delimiter", ["", ",,", '"', "\n", "\r"])
def test_what_cannot_delimit_is_a_wrong_option(read, delimiter):
    with pytest.raises(ValueError, match="delimiter") as caught:
        read(TABLE, delimiter=delimiter)
    message = f"delimiter must be one character, no letter, digit, quote or line end, or 'whitespace', got {delimiter!r}"
    assert str(caught.value) == message


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError) as caught:
        assert Csv(tmp_path / "a.csv", 0).train
    assert (
        str(caught.value) == f"{tmp_path}/a.csv: expected a table of text, got no such file; check the path"
    )


def test_a_truncated_gzip_stream_is_named(read, tmp_path):
    with pytest.raises(DataError) as caught:
        read(gzip.compress(TABLE.encode())[:-9])
    assert str(caught.value) == (
        f"{tmp_path}/a.csv: expected a table of text, got damaged data (Compressed file ended before "
        "the end-of-stream marker was reached); write or fetch the file again"
    )


@given(st.lists(st.tuples(*[st.floats(allow_nan=False, allow_infinity=False)] * 3), min_size=1))
def test_written_numbers_are_read_back_to_the_bit(tmp_path_factory, rows):
    path = tmp_path_factory.getbasetemp() / "written.csv"
    path.write_text("".join(f"{a!r},{b!r},{c!r}\n" for a, b, c in rows))
    assert all_of(Csv(path, 2, header=False)) == ([[a, b] for a, b, _ in rows], [c for *_, c in rows])


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("target", ["label", -1])
@given(data=st.data())
def test_a_damaged_file_gives_a_dataset_or_one_line(
    damaged, read_or_one_line, tmp_path_factory, pack, target, data
):
    path = tmp_path_factory.getbasetemp() / "damaged.csv"
    path.write_bytes(damaged(pack(TABLE.encode()), data))
    read_or_one_line(lambda: Csv(path, target).train, path)
