"""From rows to arrays: what the columns are, what is wrong with them, and what is left."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np

from dtrain import Array, DataError, Schema

from .advice import counters, settings_for
from .choice import Choice, Key, Places, places_by, places_of, toml, unique
from .columns import Column, Columns, marks_in
from .delimiter import better_delimiter
from .format import Format
from .header import is_header, looks_like_names
from .layout import delimiter_error, layout_of, ragged_error
from .numbers import ENCODING, Numbers, is_broken
from .rows import Block, Rows
from .target import Cells, Target, target_of


@dataclass(frozen=True)
class Table:
    """x: (rows, features), float64. y: None without a target. warnings: lines for the user."""

    x: Array
    y: Array | None
    schema: Schema
    warnings: tuple[str, ...]


def read_table(
    path: Path, rows: Rows, format: Format, numbers: Numbers, choice: Choice, recorded: Schema | None = None
) -> Table:
    """Returns the table in these rows. Raises DataError. recorded: of training, whose columns are read by name."""
    return _Reader(path, rows, format, numbers, choice, recorded).table()


class _Reader:
    """Reads a table once."""

    def __init__(
        self,
        path: Path,
        rows: Rows,
        format: Format,
        numbers: Numbers,
        choice: Choice,
        recorded: Schema | None,
    ) -> None:
        self._path, self._rows, self._format, self._numbers = path, rows, format, numbers
        self._choice, self._recorded = choice, recorded
        blocks = iter(rows)
        sample = next(blocks, [])
        if not sample:
            raise DataError(f"{path}: expected a table, got an empty file; check the path")
        self._sample = sample
        named = choice.names_columns or choice.header is True
        self._layout = layout_of(path, sample, rows.seen, format, named)
        self._cells = self._layout.names
        self._by_name = self._recorded_names_are_there()
        self._places = self._choose()
        self._features = Columns(self._places.features, numbers)
        self._targets = Columns(self._places.targets, numbers, keep=True)
        self._lines = array("q", [sample[0][0]])
        for block in chain([sample[1:]], blocks):
            self._extend(block)
        self._header = self._judge()
        if self._header and len(self._lines) == 1:
            raise DataError(f"{path}: expected at least one row below the header, got none")

    # ------------------------------------------------------------------ which columns, and their cells

    def _recorded_names_are_there(self) -> bool:
        """Tells whether the columns are found by the names of the training data."""
        if self._recorded is None or not self._recorded.features or self._choice.header is False:
            return False
        names = set(unique(self._cells))
        return (
            self._choice.header is True or self._choice.names_columns or names >= {*self._recorded.features}
        )

    def _choose(self) -> Places:
        try:
            if self._by_name and self._recorded is not None:
                return places_by(self._recorded, unique(self._cells))
            return places_of(self._choice, self._cells, self._layout.row_names)
        except DataError as error:
            if better := better_delimiter(self._rows.seen, self._format):
                raise delimiter_error(self._path, self._sample, self._format, better) from None
            raise DataError(f"{self._path}: {error}") from None

    def _extend(self, block: Block) -> None:
        if not block:
            return
        lines, rows = zip(*block, strict=True)
        width = self._layout.columns + self._layout.trailing
        if set(map(len, rows)) != {width} or (self._layout.trailing and any(row[-1].strip() for row in rows)):
            raise self._row_error(block, width)
        self._features.extend(rows)
        self._targets.extend(rows)
        self._lines.extend(lines)

    def _row_error(self, block: Block, width: int) -> DataError:
        for line, cells in block:
            if len(cells) != width:
                return ragged_error(
                    self._path, (line, cells), width, self._sample, self._rows.seen, self._format
                )
            if self._layout.trailing and cells[-1].strip():
                break
        return DataError(
            f"{self._path}: line {line}: expected nothing behind the last delimiter, as in the rows above, "
            f"got {cells[-1]!r}; correct the line"
        )

    def _judge(self) -> bool:
        choice = self._choice
        header = self._layout.row_names or self._by_name or choice.names_columns or choice.header
        if header is None:
            try:
                header = is_header(self._cells, self._features, self._targets, self._numbers)
            except DataError as error:
                raise DataError(f"{self._path}: line {self._lines[0]}: {error}") from None
        if header and self._recorded is not None and self._recorded.features and not self._by_name:
            self._by_name = True
            self._places = self._choose()  # raises: names of training are missing
        if not header:
            self._features.set_first(self._cells)
            self._targets.set_first(self._cells)
        return header

    # ------------------------------------------------------------------ what is wrong, and what is left

    def table(self) -> Table:
        """Returns the arrays."""
        self._check_columns()
        self._check_decimal()
        skipped = self._features.missing | self._targets.missing
        kept: Sequence[int] = range(int(self._header), len(self._lines))
        if skipped:
            kept = [row for row in kept if row not in skipped]
        if not kept:
            settings = settings_for(
                self._features, self._targets, len(self._lines) - self._header, self._choice, self._keys()
            )
            raise DataError(
                f"{self._path}: expected a row without a missing cell, got none; set {', '.join(settings)}"
            )
        if skipped:
            x = self._features.values[kept]
        else:
            x = self._features.values[int(self._header) :]
        target = self._target(kept)
        with np.errstate(over="ignore"):  # of differences between huge numbers
            warnings = tuple(self._warnings(x, skipped))
        schema = self._schema(target)
        return Table(x, None if target is None else target.y, schema, warnings)

    def _check_decimal(self) -> None:
        """Raises DataError where the decimal mark is the delimiter, too, and stands in no quoted number."""
        mark = self._format.decimal
        if mark == self._format.delimiter and not self._numbers.decimal_seen and self._recorded is None:
            raise DataError(
                f"{self._path}: expected quoted numbers with the decimal mark {mark!r}, which is the delimiter, too, "
                "got none; set delimiter, or leave decimal out"
            )

    def _check_columns(self) -> None:
        """Raises DataError for the first cell that cannot be used, by its row."""
        rows = len(self._lines) - self._header
        allowed = {"missing"} if self._choice.missing_rows == "skip" else set[str]()
        wrong = [
            (row, column.place, kind, cell, column)
            for column in self._features.each
            for kind, (row, cell) in column.first.items()
            if kind not in allowed
        ]
        wrong += [
            (row, column.place, kind, cell, column)
            for column in self._targets.each
            for kind, (row, cell) in column.first.items()
            if kind == "missing" and kind not in allowed
        ]
        if wrong:
            row, _, kind, cell, column = min(wrong, key=lambda each: each[:2])
            raise self._cell_error(row, kind, cell, column, rows)

    def _cell_error(self, row: int, kind: str, cell: str, column: Column, rows: int) -> DataError:
        features = self._features.each
        if kind == "text" and (better := better_delimiter(self._rows.seen, self._format)):
            return self._error(row, column.place, "a number", repr(cell), f"set {better}")
        if kind == "missing" and column.counts["missing"] == rows and column not in features:
            return self._error(
                row, column.place, "a target", f"{cell!r} as in all rows", "choose another target"
            )
        settings = settings_for(self._features, self._targets, rows, self._choice, self._keys())
        if self._by_name:  # the columns are those of training
            settings = [setting for setting in settings if not setting.startswith(("ignore", "features"))]
        expected, got, do = "a number", repr(cell), "correct the cell"
        if is_broken(cell):
            do, settings = ENCODING, []
        elif kind == "infinite":
            expected, got = "a finite number of float64 (up to 1.8e308)", cell.strip()
        elif kind == "missing":
            expected = "a number" if column in features else "a target"
            got, do = f"{cell!r}, which marks a missing one", "fill the cell"
        elif column.is_text(rows):
            got, do = f"{cell!r}, text as in most rows", "correct the cell" if self._by_name else ""
        if settings:
            do = f"{do}, or set {', '.join(settings)}" if do else f"set {', '.join(settings)}"
        names = cell.strip().lower() not in ("", "nan", "-nan", "+nan")  # which are missing always
        if kind == "missing" and names and column.is_text(rows) and column not in features:
            do += ", or missing = [] if it names a class"
        return self._error(row, column.place, expected, got, do or "no feature would be left without it")

    def _target(self, kept: Sequence[int]) -> Target | None:
        if not self._places.targets:
            return None
        if any(column.first.get("text") for column in self._targets.each) and (
            better := better_delimiter(self._rows.seen, self._format)
        ):
            raise delimiter_error(self._path, self._sample, self._format, better)
        marks = marks_in([*self._features.each, *self._targets.each])
        columns = [
            Cells(
                list(map(texts.__getitem__, kept)),
                self._numbers,
                marks,
                partial(self._target_error, place, kept),
            )
            for place, texts in zip(self._places.targets, self._targets.texts, strict=True)
        ]
        recorded = self._recorded
        kind = self._choice.target_kind
        if recorded is not None and recorded.target_kind == "number":
            kind = "number"
        classes = None if recorded is None else recorded.classes
        return target_of(columns, kind, classes, isinstance(self._choice.target, list))

    def _target_error(
        self, place: int, kept: Sequence[int], row: int, expected: str, got: str, do: str
    ) -> DataError:
        return self._error(kept[row], place, expected, got, do)

    # ------------------------------------------------------------------ words

    def _names(self) -> list[str] | None:
        return unique(self._cells) if self._header else None

    def _keys(self) -> list[Key]:
        """Returns what the options call each column: its name, or its number if that is no name of its own."""
        if not self._header:
            return list(range(len(self._cells)))
        count = Counter(self._cells)
        return [
            cell if cell and cell.isprintable() and count[cell] == 1 else place
            for place, cell in enumerate(self._cells)
        ]

    def _error(self, row: int, place: int, expected: str, got: str, do: str) -> DataError:
        name = f" ({self._cells[place]!r})" if self._header and self._cells[place] else ""
        where = f"{self._path}: line {self._lines[row]}, column {place}{name}"
        return DataError(f"{where}: expected {expected}, got {got}; {do}")

    def _schema(self, target: Target | None) -> Schema:
        if self._recorded is not None:
            return self._recorded
        names = self._names() or [f"column {place}" for place in range(len(self._cells))]
        for place in (*self._places.features, *self._places.targets):
            if is_broken(names[place]):
                raise DataError(
                    f"{self._path}: line {self._lines[0]}: expected names in {self._format.encoding}, "
                    f"got {names[place]!r}; {ENCODING}"
                )
        features = tuple(names[place] for place in self._places.features) if self._header else ()
        targets = tuple(names[place] for place in self._places.targets)
        if target is None:
            return Schema(features, targets)
        return Schema(features, targets, target.classes, target.kind)

    def _warnings(self, x: Array, skipped: set[int]) -> Iterator[str]:
        if skipped:
            first = self._lines[min(skipped)]
            yield (
                f"{self._path}: {len(skipped)} of {len(self._lines) - self._header} rows are skipped, which have "
                f"a missing cell, the first in line {first}"
            )
        if self._recorded is not None:
            return
        if self._layout.row_names and self._places.automatic:
            yield f"{self._path}: column 0 has no name, as R writes the names of rows: it is left out"
        if not self._header and self._choice.header is None and looks_like_names(self._numbers_in_order()):
            yield (
                f"{self._path}: line {self._lines[0]} is taken for a sample; if its numbers are the names of the "
                "columns, set header = true, else header = false"
            )
        yield from self._row_numbers(x)
        keys = self._keys()
        for column in self._features.each:
            if column.rounded is not None:
                yield (
                    f"{self._path}: line {self._lines[column.rounded]}, column {column.place}: a whole number beyond "
                    f"2^53 is rounded to float64; if it is no quantity, set ignore = {toml([keys[column.place]])}"
                )

    def _numbers_in_order(self) -> Array:
        """Returns the features and the targets that are numbers, (rows, columns), as they stand in the file."""
        numbers = [index for index, column in enumerate(self._targets.each) if not column.counts["text"]]
        places = [*self._features.places, *(self._targets.places[index] for index in numbers)]
        return np.hstack([self._features.values, self._targets.values[:, numbers]])[:, np.argsort(places)]

    def _row_numbers(self, x: Array) -> Iterator[str]:
        if not self._places.automatic:
            return
        found = counters(x, self._places.features, self._cells if self._header else None)
        if found:
            keys = [*(self._choice.ignore or []), *(self._keys()[place] for place in found)]
            for place in found:
                name = self._cells[place] if self._header else ""
                yield (
                    f"{self._path}: column {place} {f'({name!r})' if name else 'has no name and'} counts the rows "
                    f"and is trained on; to leave it out, set ignore = {toml(keys)}"
                )
