# ruff: noqa: E501 (each message stands in full on one line)
"""What the target is: classes by name, or numbers."""

from __future__ import annotations

import numpy as np
import pytest

from dtrain import Schema

WAY_OUT = 'write plain numbers, or set target_kind = "class" if the cells name classes'


@pytest.mark.parametrize(
    ("cells", "classes", "y"),
    [
        (["1.0", "2.0", "1"], ("1.0", "2.0"), [0, 1, 0]),
        (["10", "20", "9"], ("9", "10", "20"), [1, 2, 0]),
        (["3", "1", "2"], ("1", "2", "3"), [2, 0, 1]),
        (["1", "2", "a"], ("1", "2", "a"), [0, 1, 2]),
        (["5%", "10%", "5%"], ("10%", "5%"), [1, 0, 1]),
        (["-1", "1", "-1"], ("-1", "1"), [0, 1, 0]),
    ],
)
def test_numbers_may_name_classes(read, cells, classes, y):
    content = "x,label\n" + "".join(f"{row},{cell}\n" for row, cell in enumerate(cells))
    data = read(content, "label", target_kind="class")
    assert data.schema == Schema(("x",), ("label",), classes, "class")
    assert (data.train.y.dtype, data.train.y.tolist()) == (np.int64, y)


def test_whole_numbers_are_what_the_loss_takes_them_for_unless_it_is_said(read):
    content = "x,y\n1,3\n2,5\n"
    data = read(content)
    assert (data.schema.target_kind, data.train.y.dtype) == ("", np.int64)
    data = read(content, target_kind="number")
    assert (data.schema.target_kind, data.train.y.dtype) == ("number", np.float64)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (["$100", "$1,200"], f"got '$100'; this is an amount of money: {WAY_OUT}"),
        (["12 €", "9 €"], f"got '12 €'; this is an amount of money: {WAY_OUT}"),
        (["5%", "7.5%"], f"got '5%'; this is a percentage: {WAY_OUT}"),
        (["2020-01-01", "2020-01-02"], f"got '2020-01-01'; this is a date or time: {WAY_OUT}"),
        (["1/2/99", "3/4/99"], f"got '1/2/99'; this is a date or time: {WAY_OUT}"),
        (["12:30", "13:45:10"], f"got '12:30'; this is a date or time: {WAY_OUT}"),
        (["0x1F", "0x2A"], f"got '0x1F'; this is a number in another notation: {WAY_OUT}"),
        (["1,100", "12,000"], "got '1,100'; set thousands = \",\""),
        (["3,5", "4,25"], "got '3,5'; set decimal = \",\""),
    ],
)
def test_text_that_stands_for_numbers_is_no_class(refused, cells, message):
    content = "x;y\n" + "".join(f"{row};{cell}\n" for row, cell in enumerate(cells))
    assert (
        refused(content, delimiter=";") == f"line 2, column 1 ('y'): expected a number or a class, {message}"
    )


def test_a_text_under_target_kind_number_is_named(refused):
    assert refused("x,y\n1,red\n2,blue\n", target_kind="number") == (
        "line 2, column 1 ('y'): expected a number, as in most rows, got 'red'; correct the cell, or set target_kind = \"class\" if the cells name classes"
    )


@pytest.mark.parametrize(
    "cells", [["yes", "no"], ["True", "False"], ["10-20", "20-30"], ["a 1", "b 2"], ["v1.2.3", "v1.2.4"]]
)
def test_text_names_classes(read, cells):
    content = "x,y\n" + "".join(f"{row},{cell}\n" for row, cell in enumerate(cells))
    data = read(content)
    assert data.schema == Schema(("x",), ("y",), tuple(sorted(cells)), "class")


def test_prices_with_separators_are_read_with_the_option(read):
    content = 'size,rooms,price\n50,1,"1,100"\n60,2,"1,250"\n100,3,"12,000"\n80,2,900\n'
    assert read(content, "price", thousands=",").train.y.tolist() == [1100, 1250, 12000, 900]
