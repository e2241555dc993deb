"""What the cursor of a run's checkpoint has to hold: a checksum says that a file is as somebody wrote it, not who."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, NotRequired, TypedDict

import msgspec

from dtrain.data import DataRecord
from dtrain.errors import CheckpointError
from dtrain.wording import shown

from .checkpoint import Checkpoint, read

Count = Annotated[int, msgspec.Meta(ge=0, lt=2**53)]
Figures = dict[str, float]
State = dict[str, Any]

DATA_SEED = "[data] seed"
"""The key under which `kept` holds the seed of the rows that are held out, since there is one of their own."""


class EpochSoFar(TypedDict):
    """What the epoch has added up."""

    sums: list[float]
    samples: Count
    updates: Count
    seconds: float


class NamedState(TypedDict):
    """An optimizer's state, and whose it is."""

    name: str
    state: State


class RanksOwn(TypedDict):
    """The exchange's name, how many ranks kept arrays of their own, and which."""

    name: str
    ranks: Count
    arrays: list[str]


class Row(TypedDict):
    """A row of the table of plugins."""

    kind: str
    name: str
    plugin: str
    distribution: str | None
    version: str | None


class Cursor(TypedDict):
    """Where a run is, and what it belongs to; see `Saving`."""

    dtrain: str
    position: Count
    step: Count
    epoch: Count
    skipped: Count
    so_far: EpochSoFar
    train: Figures
    validation: Figures | None
    best: float | None
    best_of: NotRequired[str]
    ended: str | None
    shards: Annotated[int, msgspec.Meta(ge=1, lt=2**53)]
    input: NotRequired[list[Count]]
    data: NotRequired[DataRecord]
    kept: dict[str, Count | list[str]]
    schedules: list[State]
    callbacks: list[State]
    optimizer: NamedState
    exchange: NotRequired[RanksOwn]
    plugins: list[Row]


def read_run(path: Path) -> Checkpoint:
    """Returns a checkpoint of a run. Raises CheckpointError for one that `Saving` cannot have written."""
    checkpoint = read(path)
    check_cursor(checkpoint.cursor, path)
    return checkpoint


def check_cursor(cursor: Mapping[str, Any], path: Path) -> None:
    """Raises CheckpointError for a value of the wrong type, and for counts that contradict each other."""
    try:
        found = msgspec.convert(dict(cursor), Cursor)
    except msgspec.ValidationError as error:
        raise _foreign(path, str(error).replace("`", "").replace("$.", "")) from error
    if found["position"] != found["step"] + found["skipped"]:
        counts = (found[key] for key in ("position", "step", "skipped"))
        raise _foreign(path, "position {}, which is not step {} + skipped {}".format(*counts))
    if (found["so_far"]["updates"] == 0) != (not found["so_far"]["sums"]):
        raise _foreign(path, "so_far has sums without updates, or updates without sums")


def _foreign(path: Path, what: str) -> CheckpointError:
    return CheckpointError(
        f"{path}: expected a checkpoint that dtrain wrote, got a cursor of another kind ({what})"
    )


def load_state(part: Any, recorded: Mapping[str, Any], where: str) -> None:
    """Gives a part back its state. Raises CheckpointError for one that it cannot have returned.

    Values of one key may be None at one time and not at another; otherwise they keep their kind.
    """
    now = part.state()
    _check_kinds(now, recorded, where)
    try:
        part.load_state(dict(recorded))
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
        raise CheckpointError(
            f"{where}: expected a state such as {shown(now)}, got {shown(recorded)} ({_line(error)})"
        ) from error


def _check_kinds(now: Mapping[str, Any], recorded: Mapping[str, Any], where: str) -> None:
    for key, value in recorded.items():
        before = now.get(key)
        if before is None or value is None:
            continue
        if isinstance(before, Mapping) and isinstance(value, Mapping):
            _check_kinds(before, value, f"{where}.{key}")
        elif _kind(before) != _kind(value):
            raise CheckpointError(f"{where}.{key}: expected {_kind(before)}, got {shown(value)}")


def _kind(value: Any) -> str:
    for types, word in (
        (bool, "true or false"),
        ((int, float), "a number"),
        (str, "a string"),
        ((list, tuple), "a list"),
        (Mapping, "a table"),
    ):
        if isinstance(value, types):
            return word
    return "a snapshot"


def _line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())
