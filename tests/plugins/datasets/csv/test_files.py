# ruff: noqa: E501 (each message stands in full on one line)
"""What is no table of text, or has another delimiter, is named with what to do."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest


def zipped(**files):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "/").replace("_", "."), content)
    return file.getvalue()


def arrays(save, *args, **kwargs):
    file = io.BytesIO()
    save(file, *args, **kwargs)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "got"),
    [
        (zipped(a_csv="1,2\n"), "a zip archive with 'a.csv'; unpack it and name the file in it"),
        (zipped(a_csv="1,2\n", b_csv="1,2\n"), "a zip archive; unpack it and name the file in it"),
        (zipped(xl__workbook_xml="", docProps__app_xml=""), "an Excel workbook (.xlsx); save its sheet as CSV"),
        (zipped(content_xml=""), "an OpenDocument file; save its sheet as CSV"),
        (b"PK\x03\x04 cut off", "a zip archive; unpack it and name the file in it"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(99), "an Excel workbook (.xls); save its sheet as CSV"),
        (b"PAR1\x15\x04" + bytes(9), "a Parquet file; write it as CSV"),
        (b"ARROW1\0\0", "an Arrow file; write it as CSV"),
        (b"SQLite format 3\0", "an SQLite database; export its table as CSV"),
        (b"\x89HDF\r\n\x1a\n", "an HDF5 file; write it as CSV"),
        (b"\x28\xb5\x2f\xfd\x00", "a file compressed by zstd; decompress it"),
        (arrays(np.save, np.zeros(3)), 'a NumPy array; set name = "npy"'),
        (arrays(np.savez, x=np.zeros(3)), 'NumPy arrays (.npz); set name = "npz"'),
        (b"<!DOCTYPE html>\n<html></html>", "an HTML page; download the file itself"),
        (b"\xef\xbb\xbf  <HTML>", "an HTML page; download the file itself"),
        (b"<?xml version='1.0'?>", "an XML file; write it as CSV"),
        (b'{"a": [1, 2]}', "a JSON file; write it as CSV"),
        (b'[{"a": 1}]', "a JSON file; write it as CSV"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer; fetch the file itself: git lfs pull"),
        (b"@RELATION iris\n", "an ARFF file; write it as CSV"),
        (bytes(range(256)) * 2 + bytes(200), "binary data; check the path"),
    ],
)  # fmt: skip
def test_files_of_another_kind_are_recognised(refused, content, got):
    assert refused(content) == f"expected a table of text, got {got}"


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_mark_is_named_and_read(read, refused, encoding):
    content = "a,b\n1,2\n3,4\n".encode(encoding)
    assert refused(content) == (f'expected a table of text in utf-8, got UTF-16; set encoding = "{encoding}"')
    assert read(content, encoding=encoding).train.x.tolist() == [[1], [3]]


def test_names_in_another_encoding_are_named_and_read(read, refused):
    content = "größe,y\n1,2\n".encode("latin-1")
    assert refused(content, "y") == (
        "line 1: expected names in utf-8, got 'gr\\udcf6\\udcdfe'; set encoding to that of the file, such as encoding = \"latin-1\""
    )
    assert read(content, "y", encoding="latin-1").schema.features == ("größe",)


def test_text_that_is_not_read_may_be_in_any_encoding(read):
    assert read("a,name,y\n1,Jos\xe9,2\n".encode("latin-1"), "y", ignore=["name"]).train.x.tolist() == [[1]]


def test_a_folder_is_no_file(tmp_path):
    from dtrain import DataError
    from dtrain_plugins.datasets.csv import Csv

    with pytest.raises(DataError) as caught:
        assert Csv(tmp_path).train
    assert str(caught.value) == f"{tmp_path}: expected a table of text, got a folder; name a file in it"


@pytest.mark.parametrize(
    ("content", "line", "options"),
    [
        ("a;b\n1;2\n3;4\n", "line 1: expected cells and ',', got 'a;b'; set delimiter = \";\"", {"delimiter": ";"}),
        ("a;b\n1,5;2\n3,5;4\n", "line 1: expected cells and ',', got 'a;b'; set delimiter = \";\", decimal = \",\"", {"delimiter": ";", "decimal": ","}),
        ("a\tb\n1\t2\n3\t4\n", "line 1: expected cells and ',', got 'a\\tb'; set delimiter = \"\\t\"", {"delimiter": "\t"}),
        ("a|b\n1|2\n3|4\n", "line 1: expected cells and ',', got 'a|b'; set delimiter = \"|\"", {"delimiter": "|"}),
        (" a  b\n 1  2\n 3  4\n", "line 1: expected cells and ',', got 'a  b'; set delimiter = \"whitespace\"", {"delimiter": "whitespace"}),
        ("Title\na,b\n1,2\n3,4\n4,5\n", "line 1: expected 2 columns, as in the rows below, got 1; leave out the line above the table: set skip = 1", {"skip": 1}),
        ("1,5;2\n3,5;4\n4,5;1\n", "line 1: expected cells and ',', got '1,5;2'; set delimiter = \";\", decimal = \",\"", {"delimiter": ";", "decimal": ","}),
        ("Title\na,b,c\n1,2,3\n3,4,5\n5,6,7\n", "line 1: expected 3 columns, as in the rows below, got 1; leave out the line above the table: set skip = 1", {"skip": 1}),
        ("Title, of two\n\nby me\na,b,c\n1,2,3\n3,4,5\n5,6,7\n", "line 3: expected 3 columns, as in the rows below, got 1; leave out the 2 rows above the table: set skip = 3", {"skip": 3}),
        ("# by me\na,b\n1,2\n3,4\n", "line 2: expected 1 column, as in the first row, got 2; set comment = \"#\"", {"comment": "#"}),
        ("Title\n\na;b\n1;2\n3;4\n", "line 1: expected cells and ',', got 'Title'; set delimiter = \";\", skip = 2", {"delimiter": ";", "skip": 2}),
    ],
)  # fmt: skip
def test_another_delimiter_or_lines_above_the_table_name_the_option(read, refused, content, line, options):
    assert refused(content) == line
    assert len(read(content, **options).train) >= 2


@pytest.mark.parametrize(
    ("content", "options", "line"),
    [
        ("a b c\n1 2 3\n1  2 3\n", {"delimiter": " "}, 'line 3: expected 3 columns, as in the first row, got 4; set delimiter = "whitespace"'),
        ("a,b\n1,2\n1,2,3\n", {}, "line 3: expected 2 columns, as in the first row, got 3; correct the line"),
        ("1,2,\n3,4,\n" * 600 + "5,6,7\n", {}, "line 1201: expected nothing behind the last delimiter, as in the rows above, got '7'; correct the line"),
        ("1,2\n" * 2000 + "5,6,7\n", {}, "line 2001: expected 2 columns, as in the first row, got 3; correct the line"),
    ],
)  # fmt: skip
def test_rows_of_another_length_are_named(refused, content, options, line):
    assert refused(content, **options) == line


@pytest.mark.parametrize("rows", [1023, 1024, 1025, 1151, 1152, 1153, 5000])
def test_blocks_of_rows_are_joined_in_order(read, rows):
    content = "a,b\n" + "".join(f"{row},{row * 2}\n" for row in range(rows))
    data = read(content)
    assert data.train.x[:, 0].tolist() == list(range(rows))
    assert data.train.y.tolist() == [2 * row for row in range(rows)]
    content = content.replace("\n1000,", "\n?,") + "?,1\n"
    data = read(content, missing_rows="skip")
    expected = [row for row in range(rows) if row != 1000]
    assert data.train.x[:, 0].tolist() == expected
