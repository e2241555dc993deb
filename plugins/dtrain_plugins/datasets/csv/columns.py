"""The cells of some columns as numbers, read block by block, and what is wrong with them."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain

import numpy as np

from dtrain import Array

from .numbers import Kind, Numbers

_TEXTS = 200  # different texts that are kept of a column

_EXACT = 2.0**53  # the whole numbers up to here are exact in float64


@dataclass
class Column:
    """What was met in a column beside numbers. counts: of rows below the first; first: where each kind was met."""

    place: int
    counts: dict[Kind, int] = field(default_factory=lambda: dict.fromkeys(("missing", "text", "infinite"), 0))
    first: dict[Kind, tuple[int, str]] = field(default_factory=dict)
    texts: set[str] = field(default_factory=set)
    marks: set[str] = field(default_factory=set)
    rounded: int | None = None
    """The first row whose whole number float64 rounds."""

    def note(self, row: int, kind: Kind, cell: str) -> None:
        """Notes a cell that is no number."""
        self.counts[kind] += row > 0
        if kind not in self.first or row < self.first[kind][0]:
            self.first[kind] = row, cell
        if kind == "missing":
            self.marks.add(cell.strip())
        elif len(self.texts) < _TEXTS:
            self.texts.add(cell.strip())

    def is_text(self, rows: int) -> bool:
        """Tells whether most cells are text. rows: below the first."""
        return self.counts["text"] > self.numbers(rows)

    def numbers(self, rows: int) -> int:
        """Returns how many cells are finite numbers."""
        return rows - sum(self.counts.values())


class Columns:
    """Columns of numbers (rows, columns), float64. Row 0 is the first row of the file, zeros until it is set.

    keep: the texts of all cells are kept, too.
    """

    def __init__(self, places: Sequence[int], numbers: Numbers, keep: bool = False) -> None:
        self.places, self.each, self._numbers = list(places), [Column(place) for place in places], numbers
        self._values = array("d", [0.0] * len(places))
        self.texts: list[list[str]] = [[""] for _ in places] if keep else []
        self._missing: set[int] = set()
        self._rows = 1

    @property
    def values(self) -> Array:
        """All numbers, (rows, columns); NaN for what is none."""
        return np.frombuffer(self._values).reshape(self._rows, len(self.places))

    @property
    def missing(self) -> set[int]:
        """The rows with a missing cell."""
        return self._missing

    def set_first(self, cells: Sequence[str]) -> None:
        """Takes the first row for one of numbers."""
        for index, place in enumerate(self.places):
            self._values[index] = self._read(self.each[index], 0, cells[place])
            if self.texts:
                self.texts[index][0] = cells[place].strip()

    def extend(self, block: Sequence[Sequence[str]]) -> None:
        """Takes further rows. block: the cells of each column of the file."""
        rows = len(block[0])
        values = np.empty((rows, len(self.places)))
        for index, place in enumerate(self.places):
            cells, column = block[place], self.each[index]
            numbers = self._numbers.column(cells)
            if numbers is None:
                read = [self._read(column, row, cell) for row, cell in enumerate(cells, self._rows)]
                numbers = np.array(read)
            elif column.rounded is None and np.abs(numbers).max() >= _EXACT:
                self._note_rounded(column, cells)
            values[:, index] = numbers
            if self.texts:
                self.texts[index].extend(map(str.strip, cells))
        self._values.frombytes(values.data.cast("B"))
        self._rows += rows

    def _read(self, column: Column, row: int, cell: str) -> float:
        kind, value = self._numbers.read(cell)
        if kind != "number":
            column.note(row, kind, cell)
            if kind == "missing":
                self._missing.add(row)
        return value

    def _note_rounded(self, column: Column, cells: Sequence[str]) -> None:
        for row, cell in enumerate(cells, self._rows):
            plain = self._numbers.plain(cell)
            if self._numbers.is_integer(cell) and int(plain) != int(float(plain)):
                column.rounded = row
                return


def marks_in(columns: Sequence[Column]) -> set[str]:
    """Returns the marks for missing values that were met, without the empty cell."""
    return set(chain.from_iterable(column.marks for column in columns)) - {""}
