"""Checkpoints: one safetensors file each, arrays by logical name, the rest as JSON in its header.

Nothing depends on the number of ranks and nothing is pickled. A file is written aside, synced, renamed;
its header holds a SHA-256 of all the rest, so that a damaged, torn or swapped file is noticed.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dtrain.errors import CheckpointError

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
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "np") as file:
            metadata = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.offset_keys()}
        cursor_text = metadata["dtrain"]
        cursor = json.loads(cursor_text)
    except (OSError, SafetensorError, KeyError, ValueError, TypeError, MemoryError) as error:
        raise CheckpointError(
            f"{path}: expected a checkpoint, got a damaged file ({_line(error)})"
        ) from error
    if _digest(arrays, cursor_text) != metadata.get("sha256"):
        raise CheckpointError(f"{path}: expected a checkpoint, got a damaged file (its checksum differs)")
    if cursor.get("format") != FORMAT:
        raise CheckpointError(f"{path}: expected format {FORMAT}, got {cursor.get('format')!r}")
    if path.name not in (BEST, name_of(cursor["step"])):
        raise CheckpointError(
            f"{path}: expected the checkpoint of that step, got that of step {cursor['step']}"
        )
    return Checkpoint(arrays, cursor)


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


def newest(
    folder: Path, wanted: str = "a checkpoint to resume from", advice: str = "start again with --overwrite"
) -> tuple[Path, list[str]]:
    """Returns the newest good checkpoint of a folder, and a message for each newer one that is damaged.

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
        path.unlink()
    for path in folder.glob(f".*{SUFFIX}.tmp"):
        path.unlink()
