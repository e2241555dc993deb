"""What a cell is: a number, a mark for a missing one, or text; in one place for headers, features and targets."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from math import isfinite, isnan
from typing import Literal, TypeAlias

import numpy as np

from dtrain import Array

Kind: TypeAlias = Literal["number", "missing", "text", "infinite"]

MISSING = (
    "", "?", "-", "--", ".", "na", "n/a", "n.a.", "#n/a", "#na", "#n/a n/a", "<na>", "nan", "null", "none",
    "1.#ind", "-1.#ind", "1.#qnan", "-1.#qnan",
)  # fmt: skip
"""The marks for a missing value, in lower case; those of pandas, R, SAS and spreadsheets."""

_WORD = re.compile(r"[+-]?(inf|infinity|nan)", re.IGNORECASE)
_INTEGER = re.compile(r"[+-]?[0-9]+")


class Numbers:
    """Reads numbers as a file writes them, decimal mark and separator of thousands included.

    missing: the marks for a missing value, in any case; a number is one by its value. None: MISSING. A NaN and an
    empty cell are missing always. decimal_seen: whether a number with a decimal mark was read that is no point.
    """

    def __init__(self, decimal: str = ".", thousands: str = "", missing: Sequence[str] | None = None) -> None:
        self._decimal, self._thousands = decimal, thousands
        self.decimal_seen = False
        self._custom = decimal != "." or bool(thousands)
        d, t = re.escape(decimal), re.escape(thousands)
        whole = rf"[0-9]{{1,3}}({t}[0-9]{{3}})+|[0-9]+" if thousands else "[0-9]+"
        self._pattern = re.compile(rf"[+-]?(({whole})({d}[0-9]*)?|{d}[0-9]+)([eE][+-]?[0-9]+)?")
        self._marks = {"", *(mark.strip().lower() for mark in (MISSING if missing is None else missing))}
        values = (self._float(mark) for mark in self._marks)
        self._values = [value for value in values if value is not None and isfinite(value)]

    def column(self, cells: Sequence[str]) -> Array | None:
        """Returns the cells as float64 if all of them are finite numbers and none is a mark, else None."""
        if self._custom:
            cells = [self.plain(cell) for cell in cells]
        elif "_" in "".join(cells):  # float() reads 1_000
            return None
        try:
            values = np.fromiter(map(float, cells), np.float64, len(cells))
        except ValueError:
            return None
        if not np.isfinite(values).all() or (self._values and np.isin(values, self._values).any()):
            return None
        return values

    def read(self, cell: str) -> tuple[Kind, float]:
        """Returns what a cell is, and its value: NaN for what is no finite number."""
        if cell.strip().lower() in self._marks:
            return "missing", np.nan
        value = self._float(cell)
        if value is None:
            return "text", np.nan
        if isnan(value) or value in self._values:
            return "missing", np.nan
        return ("number", value) if isfinite(value) else ("infinite", np.nan)

    def kind(self, cell: str) -> Kind:
        """Returns what a cell is."""
        return self.read(cell)[0]

    def is_integer(self, cell: str) -> bool:
        """Return whether a number is written as an integer: 12, not 12.0."""
        return _INTEGER.fullmatch(self.plain(cell)) is not None

    def plain(self, cell: str) -> str:
        """Returns a number as Python writes it; what is none under another format as "?"."""
        cell = cell.strip()
        if not self._custom or _WORD.fullmatch(cell):
            return cell
        if self._pattern.fullmatch(cell):
            self.decimal_seen = self.decimal_seen or self._decimal in cell
            return cell.replace(self._thousands, "").replace(self._decimal, ".")
        return "?"

    def _float(self, cell: str) -> float | None:
        plain = self.plain(cell)
        try:
            return None if "_" in plain else float(plain)
        except ValueError:
            return None


_FORMATS = [
    (decimal, thousands)
    for thousands in (",", "", ".", " ", "'", "\u00a0", "\u202f", "_")
    for decimal in (".", ",")
    if decimal != thousands
]
_READERS = [(decimal, thousands, Numbers(decimal, thousands)) for decimal, thousands in _FORMATS]
_DATE = re.compile(r"\d{1,4}([-/.])\d{1,2}\1\d{1,4}([T ].*)?|\d{4}-(0\d|1[0-2])|\d{1,2}:\d\d(:\d\d.*)?")
_HEXADECIMAL = re.compile(r"0x[0-9a-f]+", re.IGNORECASE)
_AMOUNT = re.compile(r"[+-]?\s*[$€£¥]\s*[+-]?\d[\d.,' ]*|[+-]?\d[\d.,' ]*\s*[$€£¥%]")


def options_for(cells: Iterable[str]) -> list[str]:
    """Returns the options under which all of these cells, which are no numbers, are numbers; none: []."""
    cells = [cell.strip() for cell in cells]
    if cells and all(len(cell) > 2 and cell[0] == cell[-1] == "'" for cell in cells):
        return ['quote = "\'"']
    for decimal, thousands, numbers in _READERS:
        if cells and all(numbers.kind(cell) == "number" for cell in cells):
            used = [f'thousands = "{thousands}"'] if any(thousands in c for c in cells if thousands) else []
            return used + ['decimal = ","'] * (decimal == "," and any("," in cell for cell in cells))
    return []


ENCODING = 'set encoding to that of the file, such as encoding = "latin-1"'


def is_broken(text: str) -> bool:
    """Return whether a text holds bytes that are not valid in the file's encoding, as `surrogateescape` keeps them."""
    return not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text)


def dressed(cell: str) -> str:
    """Returns what a text is that stands for a number or a date: "a date", …; or ""."""
    cell = cell.strip()
    if _DATE.fullmatch(cell):
        return "a date or time"
    if _AMOUNT.fullmatch(cell):
        return "a percentage" if cell.endswith("%") else "an amount of money"
    return "a number in another notation" if _HEXADECIMAL.fullmatch(cell) or options_for([cell]) else ""
