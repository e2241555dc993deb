"""From rows to columns: which are read, and whether the first row names them."""

from __future__ import annotations

from array import array
from collections import Counter
from itertools import chain
from pathlib import Path

from dtrain import DataError, Schema

from .choice import Choice, Key, Places, places_by, places_of, unique
from .columns import Columns
from .delimiter import better_delimiter
from .format import Format
from .header import is_header
from .layout import delimiter_error, layout_of, ragged_error
from .numbers import Numbers
from .rows import Block, Rows


class Reading:
    """What was read of a file: its columns, numbers and texts, and whether there is a header.

    cells: of the first row. by_name: the columns are found by the names of the training data. features, targets: row 0
    is the first row of the file, in use without a header. lines: the number of each row's line.
    """

    def __init__(
        self,
        path: Path,
        rows: Rows,
        format: Format,
        numbers: Numbers,
        choice: Choice,
        recorded: Schema | None,
    ) -> None:
        self.path, self.rows, self.format, self.numbers = path, rows, format, numbers
        self.choice, self.recorded = choice, recorded
        blocks = iter(rows)
        sample = next(blocks, [])
        if not sample:
            raise DataError(f"{path}: expected a table, got an empty file; check the path")
        self.sample = sample
        named = choice.names_columns or choice.header is True
        self.layout = layout_of(path, sample, rows.seen, format, named)
        self.cells = self.layout.names
        self.by_name = self._recorded_names_are_there()
        self.places = self._choose()
        self.features = Columns(self.places.features, numbers)
        self.targets = Columns(self.places.targets, numbers, keep=True)
        self.lines = array("q", [sample[0][0]])
        for block in chain([sample[1:]], blocks):
            self._extend(block)
        self.header = self._judge()
        if self.header and len(self.lines) == 1:
            raise DataError(f"{path}: expected at least one row below the header, got none")

    def _recorded_names_are_there(self) -> bool:
        """Return whether the columns are found by the names of the training data."""
        if self.recorded is None or not self.recorded.features or self.choice.header is False:
            return False
        names = set(unique(self.cells))
        return self.choice.header is True or self.choice.names_columns or names >= {*self.recorded.features}

    def _choose(self) -> Places:
        try:
            if self.by_name and self.recorded is not None:
                return places_by(self.recorded, unique(self.cells))
            return places_of(self.choice, self.cells, self.layout.row_names)
        except DataError as error:
            if better := better_delimiter(self.rows.seen, self.format):
                raise delimiter_error(self.path, self.sample, self.format, better) from None
            raise DataError(f"{self.path}: {error}") from None

    def _extend(self, block: Block) -> None:
        if not block:
            return
        lines, rows = zip(*block, strict=True)
        width = self.layout.columns + self.layout.trailing
        if set(map(len, rows)) != {width} or (self.layout.trailing and any(row[-1].strip() for row in rows)):
            raise self._row_error(block, width)
        self.features.extend(rows)
        self.targets.extend(rows)
        self.lines.extend(lines)

    def _row_error(self, block: Block, width: int) -> DataError:
        for line, cells in block:
            if len(cells) != width:
                return ragged_error(self.path, (line, cells), width, self.sample, self.rows.seen, self.format)
            if self.layout.trailing and cells[-1].strip():
                break
        return DataError(
            f"{self.path}: line {line}: expected nothing behind the last delimiter, as in the rows above, "
            f"got {cells[-1]!r}; correct the line"
        )

    def _judge(self) -> bool:
        choice = self.choice
        header = self.layout.row_names or self.by_name or choice.names_columns or choice.header
        if header is None:
            try:
                header = is_header(self.cells, self.features, self.targets, self.numbers)
            except DataError as error:
                raise DataError(f"{self.path}: line {self.lines[0]}: {error}") from None
        if header and self.recorded is not None and self.recorded.features and not self.by_name:
            self.by_name = True
            self.places = self._choose()  # raises: names of training are missing
        if not header:
            self.features.set_first(self.cells)
            self.targets.set_first(self.cells)
        return header

    @property
    def count(self) -> int:
        """How many rows there are beside the header."""
        return len(self.lines) - self.header

    def names(self) -> list[str] | None:
        """Returns the names in the header, each once; None without a header."""
        return unique(self.cells) if self.header else None

    def keys(self) -> list[Key]:
        """Returns what the options call each column: its name, or its number if that is no name of its own."""
        if not self.header:
            return list(range(len(self.cells)))
        count = Counter(self.cells)
        return [
            cell if cell and cell.isprintable() and count[cell] == 1 else place
            for place, cell in enumerate(self.cells)
        ]

    def error(self, row: int, place: int, expected: str, got: str, do: str) -> DataError:
        """Returns the error for a cell."""
        name = f" ({self.cells[place]!r})" if self.header and self.cells[place] else ""
        where = f"{self.path}: line {self.lines[row]}, column {place}{name}"
        return DataError(f"{where}: expected {expected}, got {got}; {do}")
