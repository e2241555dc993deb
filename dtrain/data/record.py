"""What a run remembers of its data: shapes, types, names, and fingerprints of content and order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from math import prod
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from dtrain.contracts import Schema
from dtrain.errors import CheckpointError
from dtrain.wording import shown

if TYPE_CHECKING:
    from dtrain.contracts import Dataset, Rows
    from dtrain.types import Array

BYTES_AT_ONCE = 1 << 23
BYTES_READ_WHOLE = 1 << 31
"""Data that are larger, or not in memory, are read at places only."""

PLACES, ROWS_PER_PLACE = 64, 16


@dataclass(frozen=True)
class ArrayRecord:
    """shape: of one sample. dtype: as stored. scaling: what the engine multiplies by, "1/255" for images, or ""."""

    shape: tuple[int, ...]
    dtype: str
    scaling: str = ""


@dataclass(frozen=True)
class RowsRecord:
    """Samples of one split.

    content: a hash of the rows that does not depend on their order. order: one that does. sampled: whether the hashes
    are over rows at some places only, because the data are not in memory; both then depend on the order.
    """

    rows: int
    x: ArrayRecord
    y: ArrayRecord | None
    content: str
    order: str
    sampled: bool


@dataclass(frozen=True)
class DataRecord:
    """A dataset as it was trained on. validation: of a dataset that brings a split of its own."""

    schema: Schema
    train: RowsRecord
    validation: RowsRecord | None

    def as_dict(self) -> dict[str, Any]:
        """Return the record as JSON values."""
        plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(self))
        return plain

    @classmethod
    def from_dict(cls, recorded: Mapping[str, Any], where: object) -> DataRecord:
        """Return what `as_dict` returned. Raises CheckpointError for anything else; where: the file it is from."""
        try:
            return msgspec.convert(dict(recorded), cls)
        except msgspec.ValidationError as error:
            reason = str(error).replace("`", "")
            raise CheckpointError(
                f"{where}: expected a record of the data, got another ({reason})"
            ) from error


def record_of(dataset: Dataset) -> DataRecord:
    """Return the record of a dataset; reads all rows that are in memory, and some of the others."""
    validation = dataset.validation
    return DataRecord(
        dataset.schema, rows_record(dataset.train), None if validation is None else rows_record(validation)
    )


def changed(recorded: DataRecord, now: DataRecord) -> str | None:
    """Return what is different in data that should be the recorded ones, in words; None if nothing is."""
    for field in fields(Schema):
        before, after = getattr(recorded.schema, field.name), getattr(now.schema, field.name)
        if before != after:
            return f"got {field.name} {shown(after)} instead of {shown(before)}"
    change = changed_rows(recorded.train, now.train)
    if change is not None:
        return f"got {change}"
    if recorded.validation is None or now.validation is None:
        if recorded.validation is now.validation:
            return None
        return f"got {'no' if recorded.validation else 'its own'} validation samples"
    change = changed_rows(recorded.validation, now.validation)
    return None if change is None else f"got {change} among the validation samples"


def changed_rows(recorded: RowsRecord, now: RowsRecord) -> str | None:
    """Return what is different in these samples, in words; None if nothing is."""
    if recorded.rows != now.rows:
        return f"{now.rows:,} instead of {recorded.rows:,} samples"
    for name, before, after in (("x", recorded.x, now.x), ("y", recorded.y, now.y)):
        if before != after:
            return f"{name} of {_kind(after)} instead of {_kind(before)}"
    if recorded.order == now.order:
        return None
    if now.sampled:
        return "as many samples of other content, or in another order"
    same = recorded.content == now.content
    return "the same samples in another order" if same else "as many samples of other content"


def _kind(array: ArrayRecord | None) -> str:
    return "none" if array is None else f"{array.dtype} {array.shape}"


def rows_record(rows: Rows) -> RowsRecord:
    """Return the record of these samples."""
    count = len(rows)
    if not count:
        return RowsRecord(0, ArrayRecord(rows.shape, ""), None, "", "", False)
    x, y = rows.rows(np.arange(1))
    size = _row_bytes(x) + (0 if y is None else _row_bytes(y))
    sampled = not rows.whole or count * size > BYTES_READ_WHOLE
    content, order = _hashes(rows, _places(count) if sampled else _blocks(count, size))
    scaling = "1/255" if x.dtype == np.uint8 else ""
    targets = None if y is None else ArrayRecord(y.shape[1:], str(y.dtype))
    return RowsRecord(
        count, ArrayRecord(x.shape[1:], str(x.dtype), scaling), targets, content, order, sampled
    )


def _row_bytes(array: Array) -> int:
    return prod(array.shape[1:]) * array.dtype.itemsize


def _blocks(count: int, size: int) -> Iterator[Array]:
    step = max(1, BYTES_AT_ONCE // max(1, size))
    for start in range(0, count, step):
        yield np.arange(start, min(start + step, count))


def _places(count: int) -> Iterator[Array]:
    """Yield the rows at places evenly spread over all, the last rows among them."""
    last = max(0, count - ROWS_PER_PLACE)
    for start in sorted({last * place // (PLACES - 1) for place in range(PLACES)}):
        yield np.arange(start, min(start + ROWS_PER_PLACE, count))


def _hashes(rows: Rows, blocks: Iterator[Array]) -> tuple[str, str]:
    content = order = 0
    for indices in blocks:
        x, y = rows.rows(indices)
        each = _of_rows(x, 1)
        if y is not None:
            each = _mixed(each + _of_rows(y, 2))
        content += int(each.sum(dtype=np.uint64))
        order += int(_mixed(each + _mixed(indices.astype(np.uint64))).sum(dtype=np.uint64))
    return f"{content % 2**64:016x}", f"{order % 2**64:016x}"


def _of_rows(array: Array, salt: int) -> Array:
    """Return a 64-bit hash of the bytes of each row, (rows,), uint64: Σ wordⱼ·keyⱼ modulo 2⁶⁴, mixed.

    Words are of 32 bits and keys of 64: with words of 64 bits, two changes of sign would cancel (2⁶³·odd is 2⁶³ for
    any odd key). The keys are odd, so that a changed word always changes the sum.
    Lemire & Kaser, "Strongly universal string hashing is fast", 2014: their multilinear hash.
    """
    count, size = len(array), _row_bytes(array)
    if not size:
        return np.zeros(count, np.uint64)
    raw = np.ascontiguousarray(array).reshape(count, -1).view(np.uint8)
    words = -(-size // 4)
    if size % 4:
        raw = np.pad(raw, ((0, 0), (0, words * 4 - size)))
    keys = _mixed(np.arange(words, dtype=np.uint64) + np.uint64(salt << 48)) | np.uint64(1)
    return _mixed(np.einsum("ij,j->i", raw.view(np.uint32), keys, dtype=np.uint64))


def _mixed(words: Array) -> Array:
    """Return a bijection of 64-bit words in which every bit depends on every bit.

    Steele, Lea & Flood, "Fast splittable pseudorandom number generators", 2014: SplitMix64's step and its finalizer.
    """
    z = words + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
