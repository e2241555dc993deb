"""Which options make a file load whose features are not all numbers, and which features count rows."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

import numpy as np

from dtrain import Array

from .choice import Choice, Key
from .columns import Column, marks_in
from .numbers import options_for

_FEW = 3  # different texts that may be marks for a missing value

_COUNTERS = {
    "", "id", "idx", "index", "row", "rowid", "rownames", "rowname", "rownumber", "rownr", "rowno", "rn", "nr", "no",
    "number", "num", "obs", "observation", "case", "caseid", "key", "serial", "seq", "record", "recordid", "uid",
    "sampleid", "unnamed0", "column0", "instance", "pk",
}  # fmt: skip


def settings_for(
    features: Sequence[Column], targets: Sequence[Column], rows: int, choice: Choice, keys: Sequence[Key]
) -> list[str]:
    """Returns the settings, in TOML, under which all features are numbers; [] if no column would be left.

    rows: below the first. keys: what the options call each column of the file.
    """
    bad = [column for column in features if column.first]
    if bad and all(column.first[kind][0] == 0 for column in bad for kind in column.first) and not any(
        sum(column.counts.values()) for column in bad
    ):  # fmt: skip
        return ["header = true"]
    settings: dict[str, None] = {}
    out, marks = [], set[str]()
    skip = any(column.counts["missing"] for column in targets)
    for column in bad:
        numbers, texts, missing = column.numbers(rows), column.counts["text"], column.counts["missing"]
        if texts and (options := options_for(column.texts)):
            settings |= dict.fromkeys(options)
        elif texts > numbers or missing > numbers or len(column.texts) > _FEW:
            out.append(column.place)
            continue
        elif texts or column.counts["infinite"]:
            marks |= column.texts
        skip = skip or bool(missing or marks)
    if out:
        settings |= dict.fromkeys(_left_out(features, out, choice, keys))
        if len(out) == len(features):
            return []
    if marks:
        settings[f"missing = {toml(sorted(marks | marks_in([*features, *targets])))}"] = None
    if skip and choice.missing_rows == "error":
        settings['missing_rows = "skip"'] = None
    return list(settings)


def _left_out(
    features: Sequence[Column], out: Sequence[int], choice: Choice, keys: Sequence[Key]
) -> list[str]:
    if choice.features is not None:
        rest = [keys[column.place] for column in features if column.place not in out]
        return [f"features = {toml(rest)}"]
    return [f"ignore = {toml([*(choice.ignore or []), *(keys[place] for place in out)])}"]


def toml(keys: Sequence[Key]) -> str:
    """Returns a list as it stands in a config."""
    return f"[{', '.join(json.dumps(key, ensure_ascii=False) for key in keys)}]"


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
