"""Checkpoints: one safetensors file each, arrays by logical name, the rest as JSON in its header.

Nothing depends on the number of ranks and nothing is pickled. A file is written aside, synced, renamed;
its header holds a SHA-256 of all the rest, so that a damaged, torn or swapped file is noticed.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dtrain.errors import CheckpointError
from dtrain.wording import shown

if TYPE_CHECKING:
    from dtrain.types import Array

FORMAT = 1
SUFFIX = ".safetensors"
BEST = f"best{SUFFIX}"


@dataclass(frozen=True)
class Checkpoint:
    """arrays: by logical name, such as `value/dense_1.weight`. cursor: JSON values: where the run is."""

    arrays: Mapping[str, Array]
    cursor: Mapping[str, Any]


def name_of(step: int) -> str:
    """Returns the file name of the checkpoint after `step` updates."""
    return f"step-{step:010d}{SUFFIX}"


def write(path: Path, checkpoint: Checkpoint) -> None:
    """Writes a checkpoint so that it is there whole or not at all."""
    from safetensors.numpy import save_file

    cursor = json.dumps({"format": FORMAT, **checkpoint.cursor})
    metadata = {"dtrain": cursor, "sha256": _digest(checkpoint.arrays, cursor)}
    aside = path.with_name(f".{path.name}.tmp")
    save_file({name: _contiguous(a) for name, a in checkpoint.arrays.items()}, aside, metadata)
    with aside.open("rb") as file:
        os.fsync(file.fileno())
    aside.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def read(path: Path) -> Checkpoint:
    """Returns a checkpoint. Raises CheckpointError for anything that `write` did not leave just so."""
    from safetensors import safe_open

    try:
        _check_keys(path)
        with safe_open(path, "np") as file:
            metadata = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.offset_keys()}
        cursor_text = metadata["dtrain"]
        cursor = json.loads(cursor_text, object_pairs_hook=_unique)
        if not isinstance(cursor, dict):
            raise ValueError("its cursor is no table")
    except Exception as error:  # another library on any bytes: half of the built-in exceptions
        raise CheckpointError(
            f"{path}: expected a checkpoint, got a damaged file ({_line(error)})"
        ) from error
    if _digest(arrays, cursor_text) != metadata.get("sha256"):
        raise CheckpointError(f"{path}: expected a checkpoint, got a damaged file (its checksum differs)")
    if cursor.get("format") != FORMAT:
        raise CheckpointError(f"{path}: expected format {FORMAT}, got {shown(cursor.get('format'))}")
    step = cursor.get("step")
    if type(step) is not int or path.name not in (BEST, name_of(step)):
        raise CheckpointError(f"{path}: expected the checkpoint of that step, got that of step {shown(step)}")
    return Checkpoint(arrays, cursor)


def _check_keys(path: Path) -> None:
    """Raises ValueError for a header that says something twice: which of the two counts is left to its reader."""
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        if size <= path.stat().st_size:
            json.loads(file.read(size), object_pairs_hook=_unique)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise ValueError("a key stands in it twice")
    return table


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _digest(arrays: Mapping[str, Array], cursor: str) -> str:
    sha = hashlib.sha256(cursor.encode())
    for name in sorted(arrays):
        array = _contiguous(arrays[name])
        sha.update(f"\n{name} {array.dtype.str} {array.shape}\n".encode())
        sha.update(array.data)
    return sha.hexdigest()


def _contiguous(array: Array) -> Array:
    return np.asarray(array, order="C")  # ascontiguousarray makes (1,) of ()


def are_in(folder: Path) -> bool:
    """Tells whether there are checkpoints of steps in a folder, whole or damaged."""
    return any(folder.glob(f"step-*{SUFFIX}"))


def newest(
    folder: Path, wanted: str = "a checkpoint to resume from", advice: str = "start again with --overwrite",
    read: Callable[[Path], Checkpoint] = read,
) -> tuple[Path, list[str]]:  # fmt: skip
    """Returns the newest good checkpoint of a folder, and a message for each newer one that is damaged.

    read: raises CheckpointError for one that is not good.
    Raises CheckpointError when there is none: what was wanted, and what to do.
    """
    messages: list[str] = []
    for path in sorted(folder.glob(f"step-*{SUFFIX}"), reverse=True):
        try:
            read(path)
        except CheckpointError as error:
            messages.append(f"{error}; taking the one before")
            continue
        return path, messages
    reason = f" ({messages[0]})" if messages else ""
    raise CheckpointError(f"{folder}: expected {wanted}, got none that is whole{reason}; {advice}")


def prune(folder: Path, keep: int, step: int) -> None:
    """Removes all but the last `keep` checkpoints up to `step`, and what an interrupted write left.

    Those of later steps were damaged when the run was resumed from the one before.
    """
    found = sorted(folder.glob(f"step-*{SUFFIX}"))
    good = [path for path in found if path.name <= name_of(step)]
    for path in {*found} - {*good[-keep:]}:
        _remove(path)
    for path in folder.glob(f".*{SUFFIX}.tmp"):
        path.unlink()


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():  # somebody's, under the name of a checkpoint
        return
    path.unlink()
