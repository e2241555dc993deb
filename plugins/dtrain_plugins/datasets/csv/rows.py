"""From text to rows of cells."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any, TypeAlias

from dtrain import DataError

from .delimiter import better_delimiter
from .format import WHITESPACE, Format

_EXCEL = re.compile(r"\"?sep=.\"?\s*")
_SAMPLE, _BLOCK = 1024, 128  # rows of the first block, by which the layout is judged; of the others
_SEEN = 30  # lines that are kept to say what their delimiter is


Row: TypeAlias = tuple[int, list[str]]
"""(line, cells): the number of the row's last line in the file, from 1; its cells."""
Block: TypeAlias = list[Row]


class Rows:
    """Iterates over blocks of the rows that are not blank. Raises DataError for quotes that do not close.

    seen: the first lines of the file, without those left out.
    """

    def __init__(self, path: Path, text: IO[str], format: Format) -> None:
        self._path, self._text, self._format = path, text, format
        self.seen: list[str] = []

    def __iter__(self) -> Iterator[Block]:
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
        size = _SAMPLE
        try:
            while block := self._block(reader, size):
                yield block
                size = _BLOCK
        except csv.Error as error:
            better = better_delimiter(self.seen, format)
            raise DataError(
                f"{self._path}: line {reader.line_num + format.skip}: expected cells and {format.delimiter!r}, "
                f"got {error}; " + (f"set {better}" if better else 'check the quotes, or set quote = ""')
            ) from error

    def _block(self, reader: Any, size: int) -> Block:
        block: Block = []
        skip = self._format.skip
        for cells in reader:
            if len(cells) > 1 or (cells and cells[0].strip()):
                block.append((reader.line_num + skip, cells))
                if len(block) == size:
                    break
        return block

    def _lines(self) -> Iterator[str]:
        for _ in range(self._format.skip):
            self._text.readline()
        lines: Iterator[str] = iter(self._text)
        first = next(lines, "")  # Excel's first line may tell it the delimiter
        lines = chain(["\n" if _EXCEL.fullmatch(first) else first], lines)
        if self._format.comment:
            lines = self._without_comments(lines)
        if self._format.delimiter == WHITESPACE:
            lines = (line.replace("\t", " ").strip() + "\n" for line in lines)
        self.seen = list(islice(lines, _SEEN))
        return chain(self.seen, lines)

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
