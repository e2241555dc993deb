from __future__ import annotations

import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import pytest

from dtrain.contracts import Activation, Initializer, Layer
from dtrain.registry.words import expected
from dtrain.wording import shown


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        (int, "a whole number"),
        (float, "a number"),
        (str, "a string"),
        (bool, "true or false"),
        (dict, "a table"),
        (Path, "a path"),
        (Path | None, "a path"),
        (float | None, "a number"),
        (typing.Optional[int], "a whole number"),  # noqa: UP045
        (float | str, "a number or a string"),
        (Literal["same", "valid"], '"same" or "valid"'),
        (list[int], "a list of whole numbers"),
        (list[list[float]], "a list of lists of numbers"),
        (Sequence[str], "a list of strings"),
        (tuple[float, float], "a list of 2: a number, a number"),
        (tuple[int, ...], "a list of whole numbers"),
        (dict[str, float], "a table of numbers"),
        (Mapping[str, list[int]], "a table of lists of whole numbers"),
        (int | tuple[int, int], "a whole number or a list of 2: a whole number, a whole number"),
        (Annotated[int, msgspec.Meta(ge=1)], "a whole number ≥ 1"),
        (Annotated[float, msgspec.Meta(ge=0, lt=1)], "a number ≥ 0 and < 1"),
        (Annotated[str, "documented"], "a string"),
        (Initializer, "the name or the table of an initializer"),
        (Initializer | str, "the name or the table of an initializer"),
        (Activation | None, "the name or the table of an activation"),
        (list[Layer], "a list of names or tables of layers"),
        (list[list[Layer]], "a list of lists of names or tables of layers"),
        (complex, "complex"),
    ],
)
def test_an_annotation_in_words(annotation, words):
    assert expected(annotation) == words


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "nothing"),
        (True, "true"),
        (3, "3"),
        (0.5, "0.5"),
        ("64", '"64"'),
        ("two\nlines", '"two lines"'),
        ([1, "a"], '[1, "a"]'),
        ({}, "{}"),
        ({"name": "normal", "std": 0.01}, '{ name = "normal", std = 0.01 }'),
        (Path("x"), '"x"'),
        (1j, "1j"),
        (2**63, "a number beyond 2⁶³"),
        ("x" * 100, '"' + "x" * 58 + "…"),
    ],
)
def test_a_value_as_a_config_would_spell_it(value, text):
    assert shown(value) == text
