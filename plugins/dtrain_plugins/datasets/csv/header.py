"""Whether the first row names the columns, judged by all rows below it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dtrain import Array, DataError

from .columns import Columns
from .numbers import Numbers


def is_header(first: Sequence[str], features: Columns, targets: Columns, numbers: Numbers) -> bool:
    """Returns whether the first row is a header. Raises DataError, without the path, where it may be one or not.

    In the first row of a column of numbers, text is evidence of a header and a number is evidence of none; a mark for
    a missing value is evidence of neither.
    """
    rows = len(features.values) - 1
    columns = [*features.each, *targets.each]
    if not first[0].strip() and _names_by_number([first[place] for place in range(1, len(first))]):
        return not any(column.place == 0 and column.counts["missing"] for column in columns)
    kinds = {column.place: numbers.kind(first[column.place]) for column in columns}
    judges = [column.place for column in columns if column.numbers(rows) > column.counts["text"]]
    texts = [place for place in judges if kinds[place] == "text"]
    values = [place for place in judges if kinds[place] in ("number", "infinite")]
    if texts and values:
        text, value = texts[0], values[0]
        raise DataError(
            f"expected names or a sample, got {first[value]!r} in column {value} and {first[text]!r} in "
            f"column {text}, both above numbers; set header = true or header = false"
        )
    if texts or values or judges:
        return bool(texts)
    if not rows:  # a single row: text among the features, which cannot be trained on, is a name
        return any(kinds[column.place] == "text" for column in features.each)
    return all(first[column.place].strip() not in column.texts for column in columns)


def _names_by_number(cells: Sequence[str]) -> bool:
    """Return whether cells could be names such as 0, 1, 2 or years: whole numbers, each once."""
    return bool(cells) and all(cell.strip().isdecimal() for cell in cells) and len(set(cells)) == len(cells)


def looks_like_names(values: Array) -> bool:
    """Return whether row 0 of a table of numbers is of another kind than the rows below it.

    values: (rows, columns). Whole numbers above columns of others; or numbers that count on by one, above rows of
    which none does.
    """
    first, rest = values[0], values[1:]
    if not len(rest) or values.shape[1] < 2 or (first != np.floor(first)).any():
        return False
    if len(set(first.tolist())) == len(first) and ((rest != np.floor(rest)).mean(axis=0) > 0.5).all():
        return True
    counts = len(first) > 2 and (np.diff(first) == 1).all()
    return bool(counts and not (np.diff(rest, axis=1) == 1).all(axis=1).any())
