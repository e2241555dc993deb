# ruff: noqa: E501 (each message stands in full on one line)
"""A table that is written in any dialect is read back exactly; options that cannot be are refused."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import lzma
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dtrain import Schema
from dtrain_plugins.datasets.csv import Csv

NUMBERS = [[1.5, -2000.0], [30.25, 4.0], [5.0, 1234567.5]]


def written(number: float, decimal: str, thousands: str) -> str:
    """Returns a number as another country writes it."""
    return f"{number:,}".replace(",", "\0").replace(".", decimal).replace("\0", thousands)


def rows_of(data):
    return data.train.x.tolist()


@pytest.mark.parametrize("thousands", ["", ",", ".", "'", " ", "_", "\u00a0", "\u202f"])
@pytest.mark.parametrize("decimal", [".", ",", "·"])
@pytest.mark.parametrize("delimiter", [";", "\t", "|", ","])
def test_numbers_are_read_in_every_notation(read, decimal, thousands, delimiter):
    if decimal == thousands:
        return
    cell = "{}".format if delimiter not in decimal + thousands else '"{}"'.format
    lines = [delimiter.join(cell(written(value, decimal, thousands)) for value in row) for row in NUMBERS]
    content = "\n".join([f"a{delimiter}b", *lines])
    data = read(content, None, delimiter=delimiter, decimal=decimal, thousands=thousands)
    assert rows_of(data) == NUMBERS


@pytest.mark.parametrize(
    ("cell", "options"),
    [
        ("1,10", {"thousands": ","}),
        ("12,3456", {"thousands": ","}),
        (",100", {"thousands": ","}),
        ("1,100,", {"thousands": ","}),
        ("3.5", {"decimal": ","}),
        ("1.5", {"decimal": ",", "thousands": "."}),
        ("1_000", {}),
        ("1_000", {"decimal": ","}),
        ("0x1F", {}),
        ("1e", {}),
        ("1 2", {}),
        ("--1", {}),
        ("12%", {}),
    ],
)
def test_what_is_no_number_in_a_notation_is_text(refused, cell, options):
    line = refused(f"a;b\n{cell};1\n2;1\n3;1\n", "b", delimiter=";", **options)
    assert line.startswith(f"line 2, column 0 ('a'): expected a number, got {cell!r}; ")


@pytest.mark.parametrize("cell", ["+1", "1e0", "1E+00", " 1 ", "1.", "01", ".1e1"])
def test_numbers_may_be_written_as_python_reads_them(read, cell):
    assert rows_of(read(f"a,b\n{cell},1\n", "b")) == [[1.0]]


@pytest.mark.parametrize(
    "encoding", ["utf-8", "latin-1", "cp1252", "utf-16", "utf-16-le", "utf-8-sig", "utf-32"]
)
def test_text_is_read_in_its_encoding(read, encoding):
    data = read("größe,art\n1,höhe\n2,maß\n".encode(encoding), "art", encoding=encoding)
    assert data.schema.features == ("größe",)
    assert data.schema.classes == ("höhe", "maß")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-8-sig"])
def test_a_byte_order_mark_wins(read, encoding):
    assert read("ä,b\n1,2\n".encode(encoding)).schema.features == ("ä",)


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_compressed_files_are_read(read, pack):
    assert rows_of(read(pack(b"a,b\n1,2\n3,4\n"))) == [[1], [3]]


@pytest.mark.parametrize(
    ("content", "options"),
    [
        ("a b\n1 2\n3 4\n", {"delimiter": " "}),
        ("  a\t b\n1   2  \n\t3 \t4\n", {"delimiter": "whitespace"}),
        ("'a','b'\n'1',2\n3,'4'\n", {"quote": "'"}),
        ('5" disk,b\n1,2\n3,4\n', {"quote": ""}),
        ("# by hand\na,b\n#1,1\n1,2 # two\n3,4\n", {"comment": "#"}),
        ('a,b\n1,"2"// "no"\n3,4\n', {"comment": "//"}),
        ("sep=;\na;b\n1;2\n3;4\n", {"delimiter": ";"}),
        ("a table\nof two\na,b\n1,2\n3,4\n", {"skip": 2}),
        ("a,b\r1,2\r3,4\r", {}),
        ("a,b\n1,2\n   \n3,4\n\n\n", {}),
        ("a,b,\n1,2,\n3,4,\n", {}),
        ("a,b\n1,2,\n3,4,\n", {}),
        ("1,2,\n3,4,\n", {}),
    ],
)  # fmt: skip
def test_dialects_are_read_alike(read, content, options):
    data = read(content, **options)
    assert (data.train.x.tolist(), data.train.y.tolist()) == ([[1], [3]], [2, 4])
    assert data.warnings == ()


def test_a_comment_begins_outside_quotes_only(read):
    data = read('a,kind\n1,"x # y"\n2,"z ""#"" z" # end\n3,"two\n#lines"\n', "kind", comment="#")
    assert data.schema.classes == ("two\n#lines", "x # y", 'z "#" z')


def test_lines_are_counted_in_the_file_whatever_is_left_out(refused):
    content = "title\n\n# comment\na,b\n1,2\n\n3,x # wrong\n5,6\n"
    line = refused(content, "a", skip=1, comment="#")
    assert line == (
        "line 7, column 1 ('b'): expected a number, got 'x'; correct the cell, or set missing = [\"x\"], "
        'missing_rows = "skip"'
    )


@st.composite
def dialects(draw):
    delimiter = draw(st.sampled_from([",", ";", "\t", "|", " ", "whitespace", "\x1f"]))
    between = " " if delimiter == "whitespace" else delimiter
    quote = draw(st.sampled_from("\"'~"))
    decimal = draw(st.sampled_from([mark for mark in ".,·" if mark != between]))
    comment = draw(st.sampled_from(["", "#", "//"]))
    encoding = draw(st.sampled_from(["utf-8", "utf-16", "utf-16-be", "latin-1"]))
    skip = draw(st.integers(0, 3))
    return {
        "delimiter": delimiter, "quote": quote, "decimal": decimal, "comment": comment,
        "encoding": encoding, "skip": skip,
    }  # fmt: skip


texts = st.text(st.sampled_from("abcäöü ,;|'\"~#/\n-0123456789"), min_size=1, max_size=8)
names = texts.map(str.strip).filter(lambda text: any(letter.isalpha() for letter in text))


@given(st.data(), dialects())
def test_random_tables_in_random_dialects_are_read_back_exactly(tmp_path_factory, data, options):
    blank = options["delimiter"] == "whitespace"
    word = names.filter(lambda name: not blank or not set(name) & set("\n")) if blank else names
    columns = data.draw(st.lists(word, min_size=2, max_size=5, unique=True))
    number = st.floats(allow_nan=False, allow_infinity=False)
    rows = data.draw(st.lists(st.tuples(*[number] * (len(columns) - 1), word), min_size=1, max_size=30))
    text = io.StringIO()
    writer = csv.writer(
        text, delimiter=" " if blank else options["delimiter"], quotechar=options["quote"],
        quoting=csv.QUOTE_ALL, lineterminator=data.draw(st.sampled_from(["\n", "\r\n"])),
    )  # fmt: skip
    writer.writerow(columns)
    for *numbers, kind in rows:
        writer.writerow([*(repr(value).replace(".", options["decimal"]) for value in numbers), kind])
    path = tmp_path_factory.getbasetemp() / "dialect.csv"
    above = "anything\n" * options["skip"]
    path.write_bytes((above + text.getvalue()).encode(options["encoding"]))
    found = Csv(path, columns[-1], target_kind="class", missing=[], **options)
    assert found.train.x.tolist() == [list(numbers) for *numbers, _ in rows]
    named = [found.schema.classes[k] for k in found.train.y]
    normal = [kind.replace("\r\n", "\n") for *_, kind in rows]
    assert [kind.replace("\r\n", "\n") for kind in named] == normal
    assert found.schema.features == tuple(columns[:-1])


@given(data=st.data(), options=dialects(), target=st.sampled_from([None, -1, "label", ["a", "b"]]))
def test_a_damaged_file_in_any_dialect_gives_a_dataset_or_one_line(
    damaged, read_or_one_line, tmp_path_factory, data, options, target
):
    between = " " if options["delimiter"] == "whitespace" else options["delimiter"]
    table = "a,b,label\n1,2,x\n3,4,y\n5.5,-6e-1,x\n".replace(",", between)
    path = tmp_path_factory.getbasetemp() / "damaged.csv"
    path.write_bytes(damaged(table.encode(options["encoding"]), data))
    options["missing_rows"] = data.draw(st.sampled_from(["error", "skip"]))
    options["header"] = data.draw(st.sampled_from([None, True]))

    def read():
        found = Csv(path, target, **options)
        assert np.isfinite(found.train.x).all()
        found.conform(Schema(("b", "a"), ("label",), ("x", "y"), "class"))

    read_or_one_line(read, path)


def test_a_decimal_mark_that_is_the_delimiter_needs_quoted_numbers(read, refused):
    assert read('a,b\n"1,5",2\n3,4\n', decimal=",").train.x.tolist() == [[1.5], [3]]
    assert refused("a,b\n1,2\n3,4\n", decimal=",") == (
        "expected quoted numbers with the decimal mark ',', which is the delimiter, too, got none; set delimiter, "
        "or leave decimal out"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"decimal": ",", "thousands": ","}, "decimal and thousands must differ, got ',' for both"),
        ({"decimal": ",", "quote": ""}, "delimiter and decimal must differ, got ',' for both"),
        ({"thousands": ",", "quote": ""}, "delimiter and thousands must differ, got ',' for both"),
        ({"delimiter": ";", "quote": ";"}, "quote and delimiter must differ, got ';' for both"),
        ({"quote": "."}, "quote and decimal must differ, got '.' for both"),
        ({"comment": ","}, "comment and delimiter must differ, got ',' for both"),
        ({"comment": '"'}, "comment and quote must differ, got '\"' for both"),
        ({"decimal": ""}, "decimal must be one character, no letter, digit, sign or line end, got ''"),
        ({"decimal": "-"}, "decimal must be one character, no letter, digit, sign or line end, got '-'"),
        ({"thousands": "00"}, "thousands must be one character, no letter, digit, sign or line end, or '' for none, got '00'"),
        ({"quote": "\n"}, "quote must be one character, no letter, digit, sign or line end, or '' for none, got '\\n'"),
        ({"comment": " #"}, "comment must be the mark that begins one, without blanks, no letter or digit first, or '' for none, got ' #'"),
        ({"comment": "c"}, "comment must be the mark that begins one, without blanks, no letter or digit first, or '' for none, got 'c'"),
        ({"encoding": "klingon"}, "encoding must be a text encoding that Python knows, such as 'utf-8' or 'latin-1', got 'klingon'"),
        ({"encoding": "rot13"}, "encoding must be a text encoding that Python knows, such as 'utf-8' or 'latin-1', got 'rot13'"),
        ({"encoding": "a\0"}, "encoding must be a text encoding that Python knows, such as 'utf-8' or 'latin-1', got 'a\\x00'"),
        ({"skip": -1}, "skip must be a number of lines, at least 0, got -1"),
        ({"features": []}, "features must name at least one column, got []"),
        ({"target": []}, "target must name at least one column, got []"),
        ({"features": ["a"], "ignore": ["a"]}, "a column is named once, got 'a' in features and in ignore"),
        ({"target": "a", "features": ["a"]}, "a column is named once, got 'a' in target and in features"),
        ({"ignore": [0, 0]}, "a column is named once, got 0 twice in ignore"),
        ({"header": False, "target": 0, "ignore": ["a"]}, "without a header columns have numbers, got 'a' and header = false"),
        ({"target": None, "target_kind": "class"}, "target_kind needs a target, got target_kind = 'class' alone"),
        ({"target": [0, 1], "target_kind": "class"}, "target_kind = 'class' takes one target, got 2"),
    ],
)  # fmt: skip
def test_options_that_cannot_be_or_contradict_each_other_are_refused(tmp_path, options, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        Csv(tmp_path / "a.csv", **{"target": "y"} | options)


def test_x_and_float_targets_keep_float64(read):
    data = read("t,y\n1600000060,0.1\n1600000120,0.2\n")
    assert data.train.x.tolist() == [[1600000060], [1600000120]]
    assert data.train.x.dtype == data.train.y.dtype == np.float64
