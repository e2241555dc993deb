"""Which delimiter the first lines of a file seem to have."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence

from .format import WHITESPACE, Format
from .numbers import Numbers

_DELIMITERS = (",", ";", "\t", "|", WHITESPACE)
_DOT, _COMMA = Numbers("."), Numbers(",")


def better_delimiter(seen: Sequence[str], format: Format) -> str:
    """Returns the options for a delimiter that fits the first lines where the present one does not; or ""."""
    present = [len(cells) for _, cells in _cut(seen, format.delimiter, format.quote)]
    fits = len(set(present)) == 1 and present[0] > 1
    found = []
    for delimiter in _DELIMITERS:
        if delimiter == format.delimiter or (fits and delimiter not in ";\t|"):
            continue
        lines = list(_cut(seen, delimiter, format.quote))
        above = _lines_above(lines)
        if above is None or (above and fits):
            continue
        cells = [cell for _, row in lines[above:][1:] or lines for cell in row]
        if (delimiter != WHITESPACE and not fits) or _mostly_numbers(cells):
            found.append((above, _settings(delimiter, cells, lines[above][0] if above else 0, format)))
    return min(found, key=lambda each: each[0])[1] if found else ""


def _settings(delimiter: str, cells: Sequence[str], skip: int, format: Format) -> str:
    settings = [f'delimiter = "{delimiter.replace(chr(9), chr(92) + "t")}"']
    if format.decimal == "." and any("," in cell and _COMMA.kind(cell) == "number" for cell in cells):
        settings.append('decimal = ","')
    if skip:
        settings.append(f"skip = {format.skip + skip}")
    return ", ".join(settings)


def _lines_above(lines: Sequence[tuple[int, list[str]]]) -> int | None:
    """Returns how many lines stand above rows of one length, two cells or more; None where no such rows follow.

    The first of the rows may lack a name for the names of the rows.
    """
    if not lines:
        return None
    widths = [len(cells) for _, cells in lines]
    width = widths[-1]
    above = max((index + 1 for index, each in enumerate(widths) if each != width), default=0)
    if above and widths[above - 1] == width - 1 and width > 2:
        above -= 1
        above = max((index + 1 for index, each in enumerate(widths[:above]) if each != width - 1), default=0)
    return above if width > 1 and len(lines) - above > above else None


def _mostly_numbers(cells: Sequence[str]) -> bool:
    return 2 * sum("number" in (_DOT.kind(cell), _COMMA.kind(cell)) for cell in cells) > len(cells)


def _cut(seen: Sequence[str], delimiter: str, quote: str) -> Iterator[tuple[int, list[str]]]:
    """Yields (lines before this row, its cells) for each row that is not blank."""
    blank = delimiter == WHITESPACE
    reader = csv.reader(
        (line.replace("\t", " ").strip() + "\n" if blank else line for line in seen),
        delimiter=" " if blank else delimiter,
        quotechar=quote if quote and quote != delimiter else None,
        quoting=csv.QUOTE_MINIMAL if quote and quote != delimiter else csv.QUOTE_NONE,
        skipinitialspace=blank,
    )
    before = 0
    try:
        for cells in reader:
            if any(map(str.strip, cells)):
                yield before, cells
            before = reader.line_num
    except csv.Error:
        return
