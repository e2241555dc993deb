"""The dataset `csv`."""

from __future__ import annotations

import csv
import io
import re
from array import array
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import IO

import numpy as np

from dtrain import Array, DataError, Dataset

from .checks import Named, opened, reading, rows_of

_MISSING = {"", "?", "-", "na", "n/a", "null", "none"}
_BROKEN = re.compile("[\ud800-\udfff]")  # what `surrogateescape` makes of a byte that is not UTF-8
_INTEGER = re.compile(r"[+-]?[0-9]+")


class Csv(Dataset):
    """A table of numbers with one column of targets, plain or gzipped, UTF-8.

    path: the file.
    target: the column of the targets: its name in the header, or its number from 0 on (−1: the last).
    delimiter: one character.
    The first row is a header when `target` is a name, or when one of its cells is neither a number nor a mark
    for a missing one; where only its target is text, when the next row's target is a number.

    x (n, columns − 1): float32, all other columns in their order.
    y (n,): int64 where every target is an integer, float32 where every one is a number; text becomes a class
    0 … K−1 in sorted order, and `classes` holds the K texts.

    Raises DataError, naming line and column, for a cell that is missing, no number, not finite or beyond
    float32, and for a row of another length than the first; ValueError for a delimiter that cannot be one.
    """

    def __init__(self, path: Path, target: str | int, delimiter: str = ",") -> None:
        if len(delimiter) != 1 or delimiter in '"\r\n':
            raise ValueError(f"delimiter must be one character, no quote and no line end, got {delimiter!r}")
        # A byte that is not UTF-8 stays visible in its cell, so that the error can name the place.
        with (
            reading(path, "a table of text"),
            opened(path) as file,
            io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="") as text,
        ):
            table = _Table(path, text, target, delimiter)
        self.classes = table.classes
        self.train = rows_of(Named(table.x, str(path)), Named(table.y, f"{path}, target {target!r}"))


class _Table:
    """The columns of a file, read row by row."""

    classes: list[str] | None = None

    def __init__(self, path: Path, text: IO[str], target: str | int, delimiter: str) -> None:
        self._path = path
        rows = self._rows(text, delimiter)
        ahead = list(islice(rows, 2))
        if not ahead:
            raise DataError(f"{path}: expected a table, got an empty file; check the path")
        first = [cell.strip() for cell in ahead[0][1]]
        self._columns = len(first)
        if self._columns < 2:
            raise DataError(f"{path}: expected two columns or more, got one; check delimiter = {delimiter!r}")
        self._target = self._column(target, first)
        header = isinstance(target, str) or _is_header(ahead, self._target)
        self._names = first if header else None
        self._read(chain(ahead[1:] if header else ahead, rows))

    def _rows(self, text: IO[str], delimiter: str) -> Iterator[tuple[int, list[str]]]:
        """Yields each row that is not blank, with the number of its line."""
        reader = csv.reader(text, delimiter=delimiter, skipinitialspace=delimiter != " ", strict=True)
        try:
            for row in reader:
                if row:
                    yield reader.line_num, row
        except csv.Error as error:
            raise DataError(
                f"{self._path}: line {reader.line_num}: expected cells and {delimiter!r}, got {error}; "
                "check the quotes"
            ) from error

    def _column(self, target: str | int, names: list[str]) -> int:
        if isinstance(target, int):
            if not -self._columns <= target < self._columns:
                raise DataError(
                    f"{self._path}: expected a target of {-self._columns} … {self._columns - 1}, "
                    f"the numbers of the columns, got {target}"
                )
            return target % self._columns
        if names.count(target) != 1:
            shown = ", ".join(repr(name) for name in names[:8]) + (", …" if len(names) > 8 else "")
            raise DataError(
                f"{self._path}: expected one column named {target!r} in the first row, got {shown}; "
                "without a header, give the column's number as target"
            )
        return names.index(target)

    def _read(self, rows: Iterator[tuple[int, list[str]]]) -> None:
        numbers, texts, self._lines = array("d"), [], array("q")
        columns, target = self._columns, self._target
        for line, row in rows:
            if len(row) != columns:
                raise DataError(
                    f"{self._path}: line {line}: expected {columns} columns, as in the first row, "
                    f"got {len(row)}; correct the line"
                )
            texts.append(row.pop(target).strip())
            try:
                numbers.extend(map(float, row))
            except ValueError:
                raise self._no_number(line, row) from None
            if "_" in "".join(row):  # float() reads 1_000
                raise self._no_number(line, row)
            self._lines.append(line)
        if not texts:
            raise DataError(f"{self._path}: expected at least one row below the header, got none")
        self.x = self._float32(np.frombuffer(numbers).reshape(len(texts), columns - 1), self._features())
        self.y = self._targets(texts)

    def _targets(self, texts: list[str]) -> Array:
        is_number = [_is_number(text) for text in texts]
        for row, text in enumerate(texts):
            if not text or (not text.isascii() and _BROKEN.search(text)):
                raise self._error(row, [self._target], "UTF-8 text or a number", repr(text))
            if is_number[row] != is_number[0]:
                first = f"{'a number' if is_number[0] else 'text'}, as in line {self._lines[0]}"
                raise self._error(row, [self._target], first, repr(text))
        if not is_number[0]:
            self.classes = sorted(set(texts))
            place = {text: index for index, text in enumerate(self.classes)}
            return np.array([place[text] for text in texts], np.int64)
        if not all(map(_INTEGER.fullmatch, texts)):
            return self._float32(np.array([float(text) for text in texts])[:, None], [self._target])[:, 0]
        for row, text in enumerate(texts):
            if not -(2**63) <= int(text) < 2**63:
                raise self._error(row, [self._target], "an integer of 64 bits", text)
        return np.array([int(text) for text in texts], np.int64)

    def _float32(self, numbers: Array, columns: list[int]) -> Array:
        with np.errstate(over="ignore"):
            single = numbers.astype(np.float32)
        bad = np.argwhere(~np.isfinite(single))
        if len(bad):
            row, column = bad[0]
            got = str(float(numbers[row, column]))
            raise self._error(int(row), columns[column:], "a finite number of float32 (up to 3.4e38)", got)
        return single

    def _features(self) -> list[int]:
        return [column for column in range(self._columns) if column != self._target]

    def _no_number(self, line: int, row: list[str]) -> DataError:
        index = next(index for index, cell in enumerate(row) if not _is_number(cell))
        return self._wrong(line, self._features()[index], "a number", repr(row[index]))

    def _error(self, row: int, columns: list[int], expected: str, got: str) -> DataError:
        return self._wrong(self._lines[row], columns[0], expected, got)

    def _wrong(self, line: int, column: int, expected: str, got: str) -> DataError:
        name = f" ({self._names[column]!r})" if self._names else ""
        place = f"{self._path}: line {line}, column {column}{name}"
        return DataError(f"{place}: expected {expected}, got {got}; correct the cell")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return "_" not in text


def _is_header(ahead: list[tuple[int, list[str]]], target: int) -> bool:
    """Judges the first of the first two rows."""
    cells = list(ahead[0][1])
    label = cells.pop(target)
    if any(not _is_number(cell) and cell.strip().lower() not in _MISSING for cell in cells):
        return True
    return not _is_number(label) and any(_is_number(row[target]) for _, row in ahead[1:] if len(row) > target)
