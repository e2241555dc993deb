"""Which options make a file load whose features are not all numbers, and which features count rows."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from dtrain import Array

from .choice import Choice, Key, toml
from .columns import Column, Columns, marks_in
from .numbers import options_for

LOOKED_AT = 5000  # rows, evenly over a file, that advice and warnings are based on

_FEW = 3  # different texts that may be marks for a missing value

_COUNTERS = {
    "", "id", "idx", "index", "row", "rowid", "rownames", "rowname", "rownumber", "rownr", "rowno", "rn", "nr", "no",
    "number", "num", "obs", "observation", "case", "caseid", "key", "serial", "seq", "record", "recordid", "uid",
    "sampleid", "unnamed0", "column0", "instance", "pk",
}  # fmt: skip


def settings_for(
    features: Columns, targets: Columns, rows: int, choice: Choice, keys: Sequence[Key]
) -> list[str]:
    """Returns the settings, in TOML, under which all features are numbers; [] if there are none.

    rows: how many. keys: what the options call each column of the file.
    """
    bad = [column for column in features.each if column.first]
    if rows > 1 and all(
        column.counts["text"] == 1 and column.first["text"][0] == 0 for column in features.each
    ):
        return ["header = true"]
    settings: dict[str, None] = {}
    out, sparse, notations, marks = [], [], [], set[str]()
    for column in bad:
        texts, unusable = column.counts["text"], sum(column.counts.values())
        if texts and (options := options_for(column.texts)):
            settings |= dict.fromkeys(options)
            notations.append(column.place)
        elif not all(text.isprintable() for text in column.texts):
            return []
        elif len(column.texts) > _FEW or 2 * (unusable - column.counts["missing"]) > rows:
            out.append(column.place)
        elif 2 * unusable > rows:
            sparse.append(column)
        else:
            marks |= column.texts
    if len(out) + len(sparse) < len(features.places):
        out += [column.place for column in sparse]
    else:
        marks |= {text for column in sparse for text in column.texts}
    out += _emptiest(features, targets, [*out, *notations], len(features.values) > rows)
    if len(out) == len(features.places):
        return []
    if out:
        settings |= dict.fromkeys(_left_out(features.each, out, choice, keys))
    left = [column for column in (*features.each, *targets.each) if column.place not in out]
    if marks:
        settings[f"missing = {toml(sorted(marks | marks_in(left)))}"] = None
    missing = any(column.counts["missing"] for column in left)
    if (missing or marks) and choice.missing_rows == "error":
        settings['missing_rows = "skip"'] = None
    return list(settings)


def _emptiest(features: Columns, targets: Columns, settled: Sequence[int], header: bool) -> list[int]:
    """Returns the columns with most missing cells, while few rows are whole and these columns miss many cells.

    settled: columns that are left out already, or read by other options.
    """
    step = 1 + len(features.values) // LOOKED_AT
    empty = np.isnan(features.values[header::step])
    empty[:, np.isin(features.places, settled)] = False
    held = np.array([header + row * step in targets.missing for row in range(len(empty))])
    more: list[int] = []
    while empty.any():
        whole, missing = np.mean(~(empty.any(axis=1) | held)), empty.mean(axis=0)
        if whole >= 0.5 or (whole > 0 and missing.max() < 0.25):
            break
        more.append(features.places[int(missing.argmax())])
        empty[:, missing.argmax()] = False
    return [] if held.all() else more


def _left_out(
    features: Sequence[Column], out: Sequence[int], choice: Choice, keys: Sequence[Key]
) -> list[str]:
    if choice.features is not None:
        rest = [keys[column.place] for column in features if column.place not in out]
        return [f"features = {toml(rest)}"]
    return [f"ignore = {toml([*(choice.ignore or []), *(keys[place] for place in out)])}"]


def counters(x: Array, features: Sequence[int], names: Sequence[str] | None) -> list[int]:
    """Returns the features that seem to be row numbers: x counts by one, and the name is that of a row number.

    x: (rows, features). names: of all columns of the file; None: without a header, where column 0 alone is looked at.
    A nameless column 0 in a header is an index as pandas and R write it: whole numbers, each once, will do.
    """
    found = []
    for index, place in enumerate(features):
        name = "" if names is None else re.sub(r"[\W_]", "", names[place].lower())
        if len(x) < 3 or name not in _COUNTERS or (name == "" and place):
            continue
        column = x[:, index]
        index_like = (
            names is not None and (column == np.floor(column)).all() and len(np.unique(column)) == len(x)
        )
        if index_like or (np.diff(column) == 1).all():
            found.append(place)
    return found
