"""How many columns a table has, and what its first rows say of the delimiter, of titles and of names of rows."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dtrain import DataError

from .format import WHITESPACE, Format
from .numbers import Numbers
from .rows import Row

_DELIMITERS = (",", ";", "\t", "|", WHITESPACE)


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
    if rest == {len(first) + 1} and (last_empty or named or _is_text(first)):
        if last_empty:
            return Layout(len(first), first, trailing=True)
        return Layout(len(first) + 1, ["", *first], row_names=True)
    if rest <= {len(first)} and len(first) > 1 and last_empty and not first[-1]:
        return Layout(len(first) - 1, first[:-1], trailing=True)
    ragged = next((row for row in sample if len(row[1]) != len(first)), None)
    if ragged is not None:
        raise ragged_error(path, ragged, len(first), sample, seen, format)
    if len(first) == 1 and (better := better_delimiter(seen, format)):
        raise DataError(
            f"{path}: expected cells and {format.delimiter!r}, got {_column(sample)}; set {better}"
        )
    return Layout(len(first), first)


def _is_text(cells: Sequence[str]) -> bool:
    numbers = Numbers()
    return all(numbers.kind(cell) == "text" for cell in cells)


def _column(sample: Sequence[Row]) -> str:
    return f"{sample[0][1][0][:40]!r} in line {sample[0][0]}"


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
        odd = "the line" if lead == 1 else f"the {lead} rows"
        return DataError(
            f"{path}: line {line}: expected {count} {_columns(count)}, as in the rows below, "
            f"got {len(sample[lead - 1][1])}; leave out {odd} above the table: set skip = {line}"
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


def better_delimiter(seen: Sequence[str], format: Format) -> str:
    """Returns the options for a delimiter that fits the first lines where the present one does not; or ""."""
    present = _widths(seen, format.delimiter, format.quote)
    alike = len(set(present)) == 1 and present[0] > 1
    for delimiter in _DELIMITERS:
        if delimiter == format.delimiter:
            continue
        rows = list(_cut(seen, delimiter, format.quote))
        widths = {len(row) for row in rows}
        if len(widths) != 1 or widths == {1} or (alike and delimiter not in ";\t|"):
            continue
        cells = [cell for row in rows[1:] or rows for cell in row]
        if delimiter == WHITESPACE and not _mostly_numbers(cells):
            continue
        shown = "\\t" if delimiter == "\t" else delimiter
        comma = format.decimal == "." and any(
            Numbers(",").kind(cell) == "number" and "," in cell for cell in cells
        )
        return f'delimiter = "{shown}"' + ', decimal = ","' * comma
    return ""


def _mostly_numbers(cells: Sequence[str]) -> bool:
    dot, comma = Numbers(), Numbers(",")
    numbers = sum("number" in (dot.kind(cell), comma.kind(cell)) for cell in cells)
    return 2 * numbers > len(cells)


def _widths(seen: Sequence[str], delimiter: str, quote: str) -> list[int]:
    return [len(row) for row in _cut(seen, delimiter, quote)]


def _cut(seen: Sequence[str], delimiter: str, quote: str) -> Iterator[list[str]]:
    blank = delimiter == WHITESPACE
    lines = [line.replace("\t", " ").strip() if blank else line for line in seen if line.strip()]
    reader = csv.reader(
        lines,
        delimiter=" " if blank else delimiter,
        quotechar=quote if quote != delimiter else None,
        quoting=csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE,
        skipinitialspace=blank,
    )
    try:
        yield from reader
    except csv.Error:
        return
