"""The cells of some columns as numbers, read block by block, and what is wrong with them."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from math import isfinite
from operator import itemgetter

import numpy as np

from dtrain import Array

from .numbers import Kind, Numbers

_TEXTS = 200  # different texts that are kept of a column

_EXACT = 2.0**53  # the whole numbers up to here are exact in float64


@dataclass
class Column:
    """What was met in a column beside numbers. first: where each kind was met."""

    place: int
    counts: dict[Kind, int] = field(default_factory=lambda: dict.fromkeys(("missing", "text", "infinite"), 0))
    first: dict[Kind, tuple[int, str]] = field(default_factory=dict)
    texts: set[str] = field(default_factory=set)
    marks: set[str] = field(default_factory=set)
    rounded: int | None = None
    """The first row whose whole number float64 rounds."""

    def note(self, row: int, kind: Kind, cell: str) -> None:
        """Notes a cell that is no number."""
        self.counts[kind] += 1
        if kind not in self.first or row < self.first[kind][0]:
            self.first[kind] = row, cell
        if kind == "missing":
            self.marks.add(cell.strip())
        elif len(self.texts) < _TEXTS:
            self.texts.add(cell.strip())

    def is_text(self, rows: int) -> bool:
        """Return whether most of these rows hold text."""
        return self.counts["text"] > self.numbers(rows)

    def numbers(self, rows: int) -> int:
        """Returns how many of these rows hold finite numbers."""
        return rows - sum(self.counts.values())


class Columns:
    """Columns of numbers (rows, columns), float64. Row 0 is the first row of the file, zeros until it is set.

    keep: the texts of all cells are kept, too.
    """

    def __init__(self, places: Sequence[int], numbers: Numbers, keep: bool = False) -> None:
        self.places, self.each, self._numbers = list(places), [Column(place) for place in places], numbers
        self._values = array("d", [0.0] * len(places))
        self.texts: list[list[str]] = [[""] for _ in places] if keep else []
        self.missing: set[int] = set()
        """The rows with a missing cell."""
        self._rows = 1

    @property
    def values(self) -> Array:
        """All numbers, (rows, columns); NaN for what is none."""
        return np.frombuffer(self._values).reshape(self._rows, len(self.places))

    def set_first(self, cells: Sequence[str]) -> None:
        """Takes the first row for one of numbers."""
        for index, place in enumerate(self.places):
            self._values[index] = self._read(self.each[index], 0, cells[place])
            if self.texts:
                self.texts[index][0] = cells[place].strip()

    def extend(self, rows: Sequence[Sequence[str]]) -> None:
        """Takes further rows of the file, all of them as long as the first."""
        cells = list(self._cells(rows))
        values = self._numbers.column(cells)
        width = len(self.places)
        if values is None:
            read = (
                self._read(self.each[index % width], self._rows + index // width, cell)
                for index, cell in enumerate(cells)
            )
            values = np.fromiter(read, np.float64, len(cells))
        if cells and np.nanmax(np.abs(values), initial=0) >= _EXACT:
            self._note_rounded(cells)
        for index, texts in enumerate(self.texts):
            texts.extend(map(str.strip, cells[index::width]))
        self._values.frombytes(values.data.cast("B"))
        self._rows += len(rows)

    def _cells(self, rows: Sequence[Sequence[str]]) -> Iterable[str]:
        """Returns the cells of these columns, row by row."""
        if len(self.places) == 1:
            return [row[self.places[0]] for row in rows]
        return chain.from_iterable(map(itemgetter(*self.places), rows)) if self.places else ()

    def _read(self, column: Column, row: int, cell: str) -> float:
        kind, value = self._numbers.read(cell)
        if kind != "number":
            column.note(row, kind, cell)
            if kind == "missing":
                self.missing.add(row)
        return value

    def _note_rounded(self, cells: Sequence[str]) -> None:
        for index, cell in enumerate(cells):
            column, plain = self.each[index % len(self.each)], self._numbers.plain(cell)
            if column.rounded is None and self._numbers.is_integer(cell) and _rounds(plain):
                column.rounded = self._rows + index // len(self.each)


def _rounds(integer: str) -> bool:
    value = float(integer)
    return isfinite(value) and int(integer) != int(value)


def marks_in(columns: Sequence[Column]) -> set[str]:
    """Returns the marks for missing values that were met, without the empty cell."""
    return set(chain.from_iterable(column.marks for column in columns)) - {""}
