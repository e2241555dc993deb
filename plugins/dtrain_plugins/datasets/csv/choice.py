"""Which columns are features and which are targets."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from dtrain import DataError, Schema, shortlist

Key: TypeAlias = str | int
"""A column: its name in the header, or its number from 0 on (−1: the last)."""


@dataclass(frozen=True)
class Choice:
    """The options that say what the columns are. Raises ValueError where they contradict each other."""

    target: Key | list[Key] | None = None
    features: list[Key] | None = None
    ignore: list[Key] | None = None
    header: bool | None = None
    missing_rows: Literal["error", "skip"] = "error"
    target_kind: Literal["class", "number"] | None = None

    def __post_init__(self) -> None:
        lists = {"target": self.targets, "features": self.features or [], "ignore": self.ignore or []}
        if self.features == [] or self.target == []:
            name = "features" if self.features == [] else "target"
            raise ValueError(f"{name} must name at least one column, got []")
        seen: dict[Key, str] = {}
        for option, keys in lists.items():
            for key in keys:
                if key in seen:
                    both = f"twice in {option}" if seen[key] == option else f"in {seen[key]} and in {option}"
                    raise ValueError(f"a column is named once, got {key!r} {both}")
                seen[key] = option
        names = [key for key in seen if isinstance(key, str)]
        if self.header is False and names:
            raise ValueError(f"without a header columns have numbers, got {names[0]!r} and header = false")
        if self.target_kind is not None and not self.targets:
            raise ValueError(f"target_kind needs a target, got target_kind = {self.target_kind!r} alone")
        if self.target_kind == "class" and len(self.targets) > 1:
            raise ValueError(f"target_kind = 'class' takes one target, got {len(self.targets)}")

    @property
    def targets(self) -> list[Key]:
        """The columns of the targets, none or more."""
        if self.target is None:
            return []
        return self.target if isinstance(self.target, list) else [self.target]

    @property
    def names_columns(self) -> bool:
        """Whether a column is given by its name, so that there must be a header."""
        keys = (*self.targets, *(self.features or []), *(self.ignore or []))
        return any(isinstance(key, str) for key in keys)


@dataclass(frozen=True)
class Places:
    """The numbers of the columns that are read. automatic: no option names the features."""

    features: list[int]
    targets: list[int]
    automatic: bool = True


def places_of(choice: Choice, first: Sequence[str], row_names: bool) -> Places:
    """Returns what the options choose. Raises DataError, without the path, for a column that is not there.

    first: the cells of the first row. row_names: column 0 holds R's names of rows.
    """

    def of(option: str, keys: Sequence[Key]) -> list[int]:
        return [_place(option, key, first) for key in keys]

    targets, ignored = of("target", choice.targets), of("ignore", choice.ignore or [])
    chosen = None if choice.features is None else of("features", choice.features)
    for option, places in (("target", targets), ("ignore", ignored), ("features", chosen or [])):
        for other, others in (("target", targets), ("ignore", ignored), (option, places)):
            count = Counter(others)
            both = [place for place in places if count[place] > (other == option)]
            if both:
                raise DataError(
                    f"expected a column named once, got column {both[0]} ({first[both[0]]!r}) in {other} and "
                    f"in {option}; name it in one of them"
                )
    if chosen is not None:
        return Places(chosen, targets, automatic=False)
    left_out = {*targets, *ignored} | ({0} if row_names else set())
    features = [place for place in range(len(first)) if place not in left_out]
    if len(first) == 1 and targets:
        raise DataError(
            "expected a column beside the target, got one column in all; check delimiter, or leave target out"
        )
    if not features:
        raise DataError(
            f"expected a column beside target and ignore, got {len(first)} in all; "
            "check target, ignore and delimiter"
        )
    return Places(features, targets)


def places_by(recorded: Schema, names: Sequence[str]) -> Places:
    """Returns the columns of these names, in the recorded order. Raises DataError for one that is not there.

    names: unique. A recorded target that is not there is left out: the samples are there to be predicted for.
    """
    place = {name: index for index, name in enumerate(names)}
    for name in recorded.features:
        if name not in place:
            raise DataError(
                f"expected the columns of training, got {shortlist(names)} without {name!r}; "
                "rename or add the column"
            )
    there = all(name in place for name in recorded.targets)
    targets = [place[name] for name in recorded.targets] if there else []
    return Places([place[name] for name in recorded.features], targets, automatic=False)


def unique(cells: Sequence[str]) -> list[str]:
    """Returns the names in a header, each once: `column 0` for an empty one, `a.1` for the second `a`."""
    names = [cell or f"column {place}" for place, cell in enumerate(cells)]
    taken, seen = set(names), Counter[str]()
    result = []
    for name in names:
        number, seen[name] = seen[name], seen[name] + 1
        while number and f"{name}.{number}" in taken:
            number += 1
        result.append(f"{name}.{number}" if number else name)
        taken.add(result[-1])
    return result


def _place(option: str, key: Key, first: Sequence[str]) -> int:
    if isinstance(key, int):
        if not -len(first) <= key < len(first):
            raise DataError(
                f"expected {option} within {-len(first)} … {len(first) - 1}, the numbers of the columns, got {key}"
            )
        return key % len(first)
    found = first.count(key)
    if found > 1:
        raise DataError(
            f"expected one column named {key!r} in the first row, got {found}; give the column's number as {option}"
        )
    if not found:
        near = next((name for name in first if name.lower() == key.strip().lower()), None)
        hint = f"did you mean {near!r}?" if near is not None else (
            f"without a header, give the column's number as {option}"
        )  # fmt: skip
        raise DataError(f"expected one column named {key!r} in the first row, got {shortlist(first)}; {hint}")
    return first.index(key)


def toml(keys: Sequence[Key]) -> str:
    """Returns a list as it stands in a config."""
    return f"[{', '.join(json.dumps(key, ensure_ascii=False) for key in keys)}]"
