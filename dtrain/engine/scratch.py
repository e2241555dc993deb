"""Scratch arrays that are re-used from step to step."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from dtrain.types import Array, Shape


class Scratch:
    """Hands out uninitialized arrays: the n-th request of a step gets the n-th buffer, of any step.

    Nothing is given out twice within a step, so an array stays valid until `rewind`.
    """

    def __init__(self) -> None:
        self._buffers: list[Array] = []
        self._views: list[dict[tuple[Shape, Any], Array]] = []
        self._next = 0

    def rewind(self) -> None:
        """Starts a new step: every buffer is free again."""
        self._next = 0

    def empty(self, shape: Shape, dtype: Any) -> Array:
        """Returns an array of this shape and dtype, 64-byte aligned, with anything in it."""
        i = self._next
        self._next = i + 1
        if i < len(self._views):
            view = self._views[i].get((shape, dtype))
            if view is not None:
                return view
        return self._make(i, shape, dtype)

    def _make(self, i: int, shape: Shape, dtype: Any) -> Array:
        if i == len(self._views):
            self._buffers.append(np.empty(0, np.uint8))
            self._views.append({})
        count = prod(shape) * np.dtype(dtype).itemsize
        if self._buffers[i].size < count:
            self._buffers[i] = aligned(count)
            self._views[i].clear()
        view = self._buffers[i][:count].view(dtype).reshape(shape)
        self._views[i][shape, dtype] = view
        if len(self._views[i]) > 64:  # shapes that change with every call must not pile up
            self._views[i].clear()
        return view


def aligned(count: int) -> Array:
    """Returns `count` zero bytes that start at a multiple of 64, where vector instructions are fastest."""
    raw = np.zeros(count + 64, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + count]
