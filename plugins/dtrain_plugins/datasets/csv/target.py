"""Targets: numbers, or the classes that texts name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from dtrain import Array, DataError, shortlist

from .choice import toml
from .numbers import ENCODING, Numbers, dressed, is_broken, options_for

_SIXTY_FOUR = 2**63


@dataclass(frozen=True)
class Target:
    """y: (rows,) or (rows, k). classes: their names, of text alone."""

    y: Array
    kind: Literal["", "class", "number"]
    classes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cells:
    """The texts of a column of targets. error: (row, expected, got, what to do) → the error for that cell.

    marks: those for missing values that the file holds.
    """

    texts: list[str]
    numbers: Numbers
    marks: set[str]
    error: Callable[[int, str, str, str], DataError]

    @cached_property
    def values(self) -> Array | None:
        """The numbers, float64; None if not all of them are."""
        return self.numbers.column(self.texts)


def target_of(
    columns: Sequence[Cells],
    kind: Literal["class", "number"] | None,
    recorded: tuple[str, ...] | None,
    several: bool,
) -> Target:
    """Returns the target of one column or several. No cell is missing. Raises DataError for a cell that does not fit.

    kind: what the options say. recorded: the classes of training, () if its target was numbers; None for a new run.
    several: y has an axis of columns.
    """
    if several:
        return _several(columns, kind)
    (column,) = columns
    if recorded:
        return _classes(column, recorded)
    if kind == "class":
        return _classes(column)
    if kind == "number" or recorded == () or _holds_numbers(column):
        y = _numbers(column, whole=kind != "number")
        return Target(y, "number" if y.dtype.kind == "f" else "")
    return _named(column)


def _several(columns: Sequence[Cells], kind: Literal["class", "number"] | None) -> Target:
    read = [_numbers(column, whole=kind != "number") for column in columns]
    whole = all(y.dtype.kind == "i" for y in read)
    return Target(np.stack(read, axis=1), "" if whole else "number")


def _holds_numbers(column: Cells) -> bool:
    """Return whether the column is one of numbers: at least half of its cells are."""
    texts = column.texts
    if column.values is not None:
        return True
    return 2 * sum(column.numbers.kind(text) != "text" for text in texts) >= len(texts)


def _numbers(column: Cells, whole: bool) -> Array:
    """Returns int64 if all cells are whole numbers and these are wanted as they are, else float64."""
    numbers, texts = column.numbers, column.texts
    values = column.values
    if values is None:
        row = next(row for row, text in enumerate(texts) if numbers.kind(text) != "number")
        if numbers.kind(texts[row]) == "infinite":
            marks = toml(sorted({*column.marks, texts[row]}))
            do = f'correct the cell, or set missing = {marks}, missing_rows = "skip"'
            raise column.error(row, "a finite number of float64 (up to 1.8e308)", texts[row], do)
        raise column.error(row, "a number, as in most rows", repr(texts[row]), _way_out(column, texts[row]))
    if not whole or not all(map(numbers.is_integer, texts)):
        return values
    integers = [int(numbers.plain(text)) for text in texts]
    for row, value in enumerate(integers):
        if not -_SIXTY_FOUR <= value < _SIXTY_FOUR:
            raise column.error(row, "an integer of 64 bits", texts[row], "correct the cell")
    return np.array(integers, np.int64)


def _way_out(column: Cells, text: str) -> str:
    options = options_for({text for text in column.texts if column.numbers.kind(text) == "text"})
    if options:
        return f"set {', '.join(options)}"
    what = dressed(text)
    if what:
        return f'this is {what}: write plain numbers, or set target_kind = "class" if the cells name classes'
    return 'correct the cell, or set target_kind = "class" if the cells name classes'


def _named(column: Cells) -> Target:
    """Returns classes that most cells name by text."""
    numbers, texts = column.numbers, column.texts
    for row, text in enumerate(texts):
        if numbers.kind(text) != "text":
            raise column.error(
                row, "text, as in most rows", repr(text),
                'correct the cell, or set target_kind = "class" if it names a class',
            )  # fmt: skip
    numeric = [row for row, text in enumerate(texts) if dressed(text)]
    if 2 * len(numeric) > len(texts):
        text = texts[numeric[0]]
        raise column.error(numeric[0], "a number or a class", repr(text), _way_out(column, text))
    return _classes(column)


def _classes(column: Cells, recorded: tuple[str, ...] | None = None) -> Target:
    """Returns the numbers of the classes: sorted by value if all of them are numbers, else by text; or as recorded."""
    for row, text in enumerate(column.texts):
        if is_broken(text) or "\0" in text:
            raise column.error(row, "text", repr(text), "correct the cell" if "\0" in text else ENCODING)
    names = recorded or tuple(set(column.texts))
    by_value = all(column.numbers.kind(name) == "number" for name in names)

    def key(text: str) -> float | str:
        kind, value = column.numbers.read(text)
        return value if by_value and kind == "number" else text

    first = {key(text): text for text in reversed(column.texts)} if recorded is None else {}
    classes = tuple(first[each] for each in sorted(first)) if recorded is None else recorded
    place = {key(name): index for index, name in enumerate(classes)}
    keys = list(map(key, column.texts)) if by_value else column.texts
    unknown = next((row for row, each in enumerate(keys) if each not in place), None)
    if unknown is not None:
        raise column.error(
            unknown, f"a class of training, {shortlist(classes)}", repr(column.texts[unknown]),
            "correct the cell, or train a new run",
        )  # fmt: skip
    return Target(np.array([place[each] for each in keys], np.int64), "class", classes)
