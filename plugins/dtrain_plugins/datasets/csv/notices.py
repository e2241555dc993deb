"""Warnings about a file that was read: rows left out, columns of row numbers, numbers that are rounded."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from dtrain import Array

from .advice import LOOKED_AT, counters
from .choice import toml
from .header import looks_like_names
from .reading import Reading


def notices(read: Reading, x: Array, skipped: set[int]) -> Iterator[str]:
    """Yield warnings, one line each. x: the features of the rows that are kept. skipped: the other rows."""
    if skipped:
        first = read.lines[min(skipped)]
        yield (
            f"{read.path}: {len(skipped)} of {len(read.lines) - read.header} rows are skipped, which have "
            f"a missing cell, the first in line {first}"
        )
    if read.recorded is not None:
        return
    if read.layout.row_names and read.places.automatic:
        yield f"{read.path}: column 0 has no name, as R writes the names of rows: it is left out"
    if not read.header and read.choice.header is None and looks_like_names(_numbers_in_order(read)):
        yield (
            f"{read.path}: line {read.lines[0]} is taken for a sample; if its numbers are the names of the "
            "columns, set header = true, else header = false"
        )
    yield from _row_numbers(read, x)
    keys = read.keys()
    for column in read.features.each:
        if column.rounded is not None:
            yield (
                f"{read.path}: line {read.lines[column.rounded]}, column {column.place}: a whole number beyond "
                f"2^53 is rounded to float64; if it is no quantity, set ignore = {toml([keys[column.place]])}"
            )


def _numbers_in_order(read: Reading) -> Array:
    """Return features and numeric targets in the file's order, (rows, columns): row 0 and rows evenly below it."""
    step = 1 + len(read.lines) // LOOKED_AT
    numbers = [index for index, column in enumerate(read.targets.each) if not column.counts["text"]]
    places = [*read.features.places, *(read.targets.places[index] for index in numbers)]
    values = np.hstack([read.features.values[::step], read.targets.values[::step, numbers]])
    return values[:, np.argsort(places)]


def _row_numbers(read: Reading, x: Array) -> Iterator[str]:
    if not read.places.automatic:
        return
    found = counters(x, read.places.features, read.cells if read.header else None)
    if found:
        keys = [*(read.choice.ignore or []), *(read.keys()[place] for place in found)]
        for place in found:
            name = read.cells[place] if read.header else ""
            yield (
                f"{read.path}: column {place} ({repr(name) if name else 'without a name'}) only counts the rows, and "
                f"the network is trained on it; to leave it out, set ignore = {toml(keys)}"
            )
