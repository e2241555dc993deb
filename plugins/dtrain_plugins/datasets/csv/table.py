"""From columns to arrays: errors for their cells, the rows that are kept, and the schema."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from dtrain import Array, DataError, Schema

from .advice import settings_for
from .choice import Choice
from .columns import Column, marks_in
from .delimiter import better_delimiter
from .format import Format
from .layout import delimiter_error
from .notices import notices
from .numbers import ENCODING, Numbers, is_broken
from .reading import Reading
from .rows import Rows
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
    return _TableBuilder(Reading(path, rows, format, numbers, choice, recorded)).table()


class _TableBuilder:
    """Builds a table from the columns of a file."""

    def __init__(self, read: Reading) -> None:
        self._read = read

    def table(self) -> Table:
        """Returns the arrays."""
        read = self._read
        self._check_columns()
        self._check_decimal()
        skipped = read.features.missing | read.targets.missing
        kept: Sequence[int] = range(int(read.header), len(read.lines))
        if skipped:
            kept = [row for row in kept if row not in skipped]
        if not kept:
            settings = settings_for(read.features, read.targets, read.count, read.choice, read.keys())
            do = f"set {', '.join(settings)}" if settings else "fill the cells"
            raise DataError(f"{read.path}: expected a row without a missing cell, got none; {do}")
        if skipped:
            x = read.features.values[kept]
        else:
            x = read.features.values[int(read.header) :]
        target = self._target(kept)
        with np.errstate(over="ignore"):  # of differences between huge numbers
            warnings = tuple(notices(read, x, skipped))
        schema = self._schema(target)
        return Table(x, None if target is None else target.y, schema, warnings)

    def _check_decimal(self) -> None:
        """Raises DataError where the decimal mark is the delimiter, too, and stands in no quoted number."""
        read = self._read
        mark = read.format.decimal
        if mark == read.format.delimiter and not read.numbers.decimal_seen and read.recorded is None:
            raise DataError(
                f"{read.path}: expected quoted numbers with the decimal mark {mark!r}, which is the delimiter, too, "
                "got none; set delimiter, or leave decimal out"
            )

    def _check_columns(self) -> None:
        """Raises DataError for the first cell that cannot be used, by its row."""
        read = self._read
        rows = read.count
        allowed = {"missing"} if read.choice.missing_rows == "skip" else set[str]()
        wrong = [
            (row, column.place, kind, cell, column)
            for column in read.features.each
            for kind, (row, cell) in column.first.items()
            if kind not in allowed
        ]
        wrong += [
            (row, column.place, kind, cell, column)
            for column in read.targets.each
            for kind, (row, cell) in column.first.items()
            if kind == "missing" and kind not in allowed
        ]
        if wrong:
            row, _, kind, cell, column = min(wrong, key=lambda each: each[:2])
            raise self._cell_error(row, kind, cell, column, rows)

    def _cell_error(self, row: int, kind: str, cell: str, column: Column, rows: int) -> DataError:
        read = self._read
        features = read.features.each
        if kind == "text" and (better := better_delimiter(read.rows.seen, read.format)):
            return read.error(row, column.place, "a number", repr(cell), f"set {better}")
        if kind == "missing" and column.counts["missing"] == rows and column not in features:
            return read.error(
                row, column.place, "a target", f"{cell!r} as in all rows", "choose another target"
            )
        settings = settings_for(read.features, read.targets, rows, read.choice, read.keys())
        if read.by_name:  # the columns are those of training
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
            got, do = f"{cell!r}, text as in most rows", "correct the cell" if read.by_name else ""
        if settings:
            do = f"{do}, or set {', '.join(settings)}" if do else f"set {', '.join(settings)}"
        names = cell.strip().lower() not in ("", "nan", "-nan", "+nan")  # which are missing always
        if kind == "missing" and names and column.is_text(rows) and column not in features:
            do += ", or missing = [] if it names a class"
        return read.error(row, column.place, expected, got, do or "no feature would be left without it")

    def _target(self, kept: Sequence[int]) -> Target | None:
        read = self._read
        if not read.places.targets:
            return None
        if any(column.first.get("text") for column in read.targets.each) and (
            better := better_delimiter(read.rows.seen, read.format)
        ):
            raise delimiter_error(read.path, read.sample, read.format, better)
        marks = marks_in([*read.features.each, *read.targets.each])
        columns = [
            Cells(
                list(map(texts.__getitem__, kept)),
                read.numbers,
                marks,
                partial(self._target_error, place, kept),
            )
            for place, texts in zip(read.places.targets, read.targets.texts, strict=True)
        ]
        recorded = read.recorded
        kind = read.choice.target_kind
        if recorded is not None and recorded.target_kind == "number":
            kind = "number"
        classes = None if recorded is None else recorded.classes
        return target_of(columns, kind, classes, isinstance(read.choice.target, list))

    def _target_error(
        self, place: int, kept: Sequence[int], row: int, expected: str, got: str, do: str
    ) -> DataError:
        return self._read.error(kept[row], place, expected, got, do)

    def _schema(self, target: Target | None) -> Schema:
        read = self._read
        if read.recorded is not None:
            return read.recorded
        names = read.names() or [f"column {place}" for place in range(len(read.cells))]
        for place in (*read.places.features, *read.places.targets):
            if is_broken(names[place]):
                raise DataError(
                    f"{read.path}: line {read.lines[0]}: expected names in {read.format.encoding}, "
                    f"got {names[place]!r}; {ENCODING}"
                )
        features = tuple(names[place] for place in read.places.features) if read.header else ()
        targets = tuple(names[place] for place in read.places.targets)
        if target is None:
            return Schema(features, targets)
        return Schema(features, targets, target.classes, target.kind)
