"""From text to rows of cells."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

from dtrain import DataError

from .format import WHITESPACE, Format

_SEEN = 30  # lines that are kept to say what their delimiter is


class Row(NamedTuple):
    """The cells of a row. line: the number of its last line in the file, from 1."""

    line: int
    cells: list[str]


class Rows:
    """Iterates over the rows that are not blank, in order. Raises DataError for quotes that do not close.

    seen: the first lines of the file, without those left out.
    """

    def __init__(self, path: Path, text: IO[str], format: Format) -> None:
        self._path, self._text, self._format = path, text, format
        self.seen: list[str] = []

    def __iter__(self) -> Iterator[Row]:
        format = self._format
        blank = format.delimiter == WHITESPACE
        reader = csv.reader(
            self._lines(),
            delimiter=" " if blank else format.delimiter,
            quotechar=format.quote or None,
            quoting=csv.QUOTE_MINIMAL if format.quote else csv.QUOTE_NONE,
            skipinitialspace=blank or not format.delimiter.isspace(),
            strict=True,
        )
        try:
            for cells in reader:
                if len(cells) > 1 or (cells and cells[0].strip()):
                    yield Row(reader.line_num + format.skip, cells)
        except csv.Error as error:
            raise DataError(
                f"{self._path}: line {reader.line_num + format.skip}: expected cells and {format.delimiter!r}, "
                f"got {error}; check the quotes, or set quote"
            ) from error

    def _lines(self) -> Iterator[str]:
        for _ in range(self._format.skip):
            if not self._text.readline():
                return
        lines: Iterator[str] = iter(self._text)
        if self._format.comment:
            lines = self._without_comments(lines)
        if self._format.delimiter == WHITESPACE:
            lines = (line.replace("\t", " ").strip() + "\n" for line in lines)
        for line in lines:
            self.seen.append(line)
            yield line
            if len(self.seen) == _SEEN:
                break
        yield from lines

    def _without_comments(self, lines: Iterator[str]) -> Iterator[str]:
        mark, quote = self._format.comment, self._format.quote
        inside = False  # a quoted cell that goes on from an earlier line
        for line in lines:
            at = line.find(mark)
            while at >= 0 and quote and (inside + line.count(quote, 0, at)) % 2:
                at = line.find(mark, at + 1)
            if at >= 0:
                line = line[:at].rstrip() + "\n"
            if quote:
                inside = (inside + line.count(quote)) % 2 == 1
            yield line
