"""Checkpoints: one safetensors file each, arrays by logical name, the rest as JSON in its header.

Nothing depends on the number of ranks and nothing is pickled. A file is written aside, synced, renamed;
its header holds a SHA-256 of all the rest, so that a damaged, torn or swapped file is noticed.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from dtrain.errors import CheckpointError
from dtrain.wording import shown

if TYPE_CHECKING:
    from dtrain.types import Array

FORMAT = 1
SUFFIX = ".safetensors"
BEST = f"best{SUFFIX}"

DTYPES = ("BOOL", "I8", "I16", "I32", "I64", "U8", "U16", "U32", "U64", "F16", "F32", "F64", "C64")

PIECE = 1 << 20
"""Bytes hashed and written at once; other threads run meanwhile."""


@dataclass(frozen=True)
class Checkpoint:
    """arrays: by logical name, such as `value/dense_1.weight`. cursor: JSON values: where the run is."""

    arrays: Mapping[str, Array]
    cursor: Mapping[str, Any]


def name_of(step: int) -> str:
    """Returns the file name of the checkpoint after `step` updates."""
    return f"step-{step:010d}{SUFFIX}"


def write(path: Path, checkpoint: Checkpoint) -> None:
    """Writes a checkpoint so that it is there whole or not at all. Raises OSError, and leaves nothing aside then."""
    aside = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_native_id()}.tmp")
    try:
        with aside.open("wb") as file:
            _stream(file, checkpoint)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _stream(file: BinaryIO, checkpoint: Checkpoint) -> None:
    """Writes the bytes of a safetensors file, each piece hashed while it is in the cache; the header comes last.

    Without safetensors' own writer, which is given all checksums beforehand and tells no full disk from other errors.
    """
    arrays = {name: _little_endian(array) for name, array in checkpoint.arrays.items()}
    cursor = json.dumps({"format": FORMAT, **checkpoint.cursor})
    places, sha = _places(arrays), hashlib.sha256(cursor.encode())
    unknown = sha.hexdigest()
    header = _header(arrays, places, cursor, unknown)
    start = len(header)
    for name in sorted(arrays):
        sha.update(_title(name, arrays[name]))
        file.seek(start + places[name])
        raw = arrays[name].reshape(-1).view(np.uint8)
        for at in range(0, len(raw), PIECE):
            piece = raw[at : at + PIECE].data
            sha.update(piece)
            file.write(piece)
    file.seek(0)
    before, _, behind = header.rpartition(b'"sha256": "' + unknown.encode())
    file.write(before + b'"sha256": "' + sha.hexdigest().encode() + behind)


def _places(arrays: Mapping[str, Array]) -> dict[str, int]:
    """Returns where each array starts after the header: those of the widest elements first, so that all are aligned."""
    places, place = {}, 0
    for name in sorted(arrays, key=lambda name: (-arrays[name].itemsize, name)):
        places[name] = place
        place += arrays[name].nbytes
    return places


def _header(arrays: Mapping[str, Array], places: Mapping[str, int], cursor: str, sha256: str) -> bytes:
    described: dict[str, Any] = {"__metadata__": {"dtrain": cursor, "sha256": sha256}}
    for name, place in places.items():
        array = arrays[name]
        described[name] = {
            "dtype": _dtype(name, array),
            "shape": array.shape,
            "data_offsets": [place, place + array.nbytes],
        }
    text = json.dumps(described).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def _dtype(name: str, array: Array) -> str:
    found = "BOOL" if array.dtype == bool else f"{array.dtype.kind.upper()}{8 * array.itemsize}"
    if found not in DTYPES:
        raise CheckpointError(
            f"{name}: expected a dtype of safetensors ({', '.join(DTYPES)}), got {array.dtype}"
        )
    return found


def _little_endian(array: Array) -> Array:
    return np.asarray(array, array.dtype.newbyteorder("<"), order="C")


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
        sha.update(_title(name, array))
        sha.update(array.data)
    return sha.hexdigest()


def _title(name: str, array: Array) -> bytes:
    return f"\n{name} {array.dtype.str} {array.shape}\n".encode()


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
    for path in folder.glob(f".*{SUFFIX}.*tmp"):
        if f".{os.getpid()}-" not in path.name:
            path.unlink(missing_ok=True)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():  # somebody's, under the name of a checkpoint
        return
    path.unlink(missing_ok=True)
