"""How far two arrays that should be the same to the bit are apart."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from dtrain.types import Array

_INTEGERS: dict[Any, Any] = {np.dtype("f4"): np.dtype("i4"), np.dtype("f8"): np.dtype("i8")}


@dataclass(frozen=True)
class Size:
    """The size of a difference.

    count: numbers whose bits differ, out of `of`. absolute: the largest |got − expected|; inf where one of the two
    is not finite. relative: absolute by the largest expected magnitude. ulps: the largest number of steps from one
    floating-point number to the next that lie between; None for other numbers.
    """

    count: int
    of: int
    absolute: float
    relative: float
    ulps: int | None

    def __str__(self) -> str:
        ulps = "" if self.ulps is None else f", {self.ulps:,} ulp{'s' * (self.ulps != 1)}"
        return (
            f"{self.count:,} of {self.of:,} number{'s' * (self.of != 1)} by up to {self.absolute:.3g} "
            f"({self.relative:.3g} of the largest{ulps})"
        )


def size_of(expected: Array, got: Array) -> Size:
    """Returns how far two arrays are apart. Where shape or dtype differ, everything does."""
    expected, got = np.asarray(expected), np.asarray(got)
    if expected.shape != got.shape or expected.dtype != got.dtype:
        return Size(got.size, got.size, inf, inf, None)
    differs = _bytes(expected) != _bytes(got)
    where = differs.any(axis=1)
    a, b = expected.reshape(-1)[where], got.reshape(-1)[where]
    if not len(a):
        return Size(0, expected.size, 0.0, 0.0, 0 if expected.dtype in _INTEGERS else None)
    absolute = _largest(a, b)
    finite = np.abs(expected[np.isfinite(expected)])
    scale = float(finite.max()) if finite.size else 0.0
    relative = absolute / scale if scale else (inf if absolute else 0.0)
    return Size(len(a), expected.size, absolute, relative, _ulps(a, b))


def _bytes(array: Array) -> Any:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).reshape(-1, array.dtype.itemsize)


def _largest(a: Array, b: Array) -> float:
    wide = np.result_type(a, np.float64)
    with np.errstate(all="ignore"):
        apart = np.abs(b.astype(wide) - a.astype(wide))
    return inf if np.isnan(apart).any() else float(apart.max())


def _ulps(a: Array, b: Array) -> int | None:
    if a.dtype not in _INTEGERS:
        return None
    x, y = _ordered(a), _ordered(b)
    with np.errstate(all="ignore"):
        return int((np.maximum(x, y) - np.minimum(x, y)).view(np.uint64).max())


def _ordered(a: Array) -> Array:
    """Returns integers that count floating-point numbers in their order: neighbours differ by 1, −0 is 0."""
    integers: Array = a.view(_INTEGERS[a.dtype])
    lowest = np.iinfo(integers.dtype).min
    return np.where(integers < 0, lowest - integers, integers).astype(np.int64)
