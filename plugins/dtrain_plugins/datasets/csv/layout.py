"""How many columns a table has, and what its first rows say of the delimiter, of titles and of names of rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dtrain import DataError

from .delimiter import better_delimiter
from .format import WHITESPACE, Format
from .numbers import Numbers
from .rows import Row


@dataclass(frozen=True)
class Layout:
    """columns: in a row. names: the first row, as long as the others. trailing: each row ends in a delimiter.

    row_names: the first row lacks a name for column 0, as R's write.table leaves it.
    """

    columns: int
    names: list[str]
    trailing: bool = False
    row_names: bool = False


def layout_of(path: Path, sample: Sequence[Row], seen: Sequence[str], format: Format, named: bool) -> Layout:
    """Judges the first rows. Raises DataError where they are no table. named: the first row must be a header."""
    first = [cell.strip() for cell in sample[0][1]]
    widths = [len(row[1]) for row in sample]
    rest = set(widths[1:])
    last_empty = all(not row[1][-1].strip() for row in sample[1:])
    if rest == {len(first) + 1} and (last_empty or named or _names_all_but_rows(sample)):
        if last_empty:
            return Layout(len(first), first, trailing=True)
        return Layout(len(first) + 1, ["", *first], row_names=True)
    if rest <= {len(first)} and len(first) > 1 and last_empty and not first[-1]:
        return Layout(len(first) - 1, first[:-1], trailing=True)
    ragged = next((row for row in sample if len(row[1]) != len(first)), None)
    if ragged is not None:
        raise ragged_error(path, ragged, len(first), sample, seen, format)
    if len(first) == 1 and (better := better_delimiter(seen, format)):
        raise delimiter_error(path, sample, format, better)
    return Layout(len(first), first)


def _names_all_but_rows(sample: Sequence[Row]) -> bool:
    """Return whether the first row names all columns but the first, and is no title above a header."""
    titled = len(sample) > 2 and _is_text(sample[1][1]) and not _is_text(sample[2][1])
    return _is_text(sample[0][1]) and not titled and not _comment_of(sample[:1])


def _is_text(cells: Sequence[str]) -> bool:
    numbers = Numbers()
    return all(numbers.kind(cell) == "text" for cell in cells)


def delimiter_error(path: Path, sample: Sequence[Row], format: Format, better: str) -> DataError:
    """Returns the error for a file with another delimiter. better: the settings that fit."""
    line, cells = sample[0]
    text = (" " if format.delimiter == WHITESPACE else format.delimiter).join(cells)[:40]
    return DataError(
        f"{path}: line {line}: expected cells and {format.delimiter!r}, got {text!r}; set {better}"
    )


def ragged_error(
    path: Path, row: Row, columns: int, sample: Sequence[Row], seen: Sequence[str], format: Format
) -> DataError:
    """Returns the error for a row of another length than the first."""
    got = len(row[1])
    expected = f"expected {columns} {_columns(columns)}, as in the first row, got {got}"
    where = f"{path}: line {row[0]}: "
    if better := better_delimiter(seen, format):
        return DataError(f"{where}{expected}; set {better}")
    lead = _lead(sample)
    if lead:
        comment = _comment_of(sample[:lead])
        if comment and not format.comment:
            return DataError(f'{where}{expected}; set comment = "{comment}"')
        line, count = sample[lead - 1][0], len(sample[lead][1])
        rows = "the line" if lead == 1 else f"the {lead} rows"
        return DataError(
            f"{path}: line {line}: expected {count} {_columns(count)}, as in the rows below, "
            f"got {len(sample[lead - 1][1])}; leave out {rows} above the table: set skip = {line}"
        )
    if format.delimiter == " ":
        return DataError(f'{where}{expected}; correct the line, or set delimiter = "{WHITESPACE}"')
    return DataError(f"{where}{expected}; correct the line")


def _columns(count: int) -> str:
    return "column" if count == 1 else "columns"


def _lead(sample: Sequence[Row]) -> int:
    """Returns how many rows stand above a table of rows of one length; 0 where there is no such table."""
    width = len(sample[-1][1])
    lead = max((index + 1 for index, row in enumerate(sample) if len(row[1]) != width), default=0)
    return lead if width > 1 and len(sample) - lead > lead else 0


def _comment_of(rows: Sequence[Row]) -> str:
    for mark in ("#", "%", "//", "!", ";", "*"):
        if all(row[1][0].lstrip().startswith(mark) for row in rows):
            return mark
    return ""
