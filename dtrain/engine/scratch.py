"""Scratch arrays that are re-used from step to step."""

from __future__ import annotations

from itertools import count
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
        self._last: list[tuple[Shape, Any, Array]] = []
        self._views: list[dict[tuple[Shape, str], Array]] = []
        self._next = count()

    def rewind(self) -> None:
        """Starts a new step: every buffer is free again."""
        self._next = count()

    def empty(self, shape: Shape, dtype: Any) -> Array:
        """Returns an array of this shape and dtype, 64-byte aligned, with anything in it."""
        i = next(self._next)
        try:
            last_shape, last_dtype, view = self._last[i]
        except IndexError:
            return self._add(shape, dtype)
        if last_shape == shape and last_dtype is dtype:
            return view
        return self._switch(i, shape, np.dtype(dtype))

    def _add(self, shape: Shape, dtype: Any) -> Array:
        self._buffers.append(np.empty(0, np.uint8))
        self._views.append({})
        self._last.append(((), None, self._buffers[-1]))
        return self._switch(len(self._last) - 1, shape, np.dtype(dtype))

    def _switch(self, i: int, shape: Shape, dtype: np.dtype[Any]) -> Array:
        view = self._views[i].get((shape, dtype.str))
        if view is None:
            view = self._view(i, shape, dtype)
        self._last[i] = (shape, dtype, view)
        return view

    def _view(self, i: int, shape: Shape, dtype: np.dtype[Any]) -> Array:
        size = prod(shape) * dtype.itemsize
        if self._buffers[i].size < size:
            self._buffers[i] = aligned(size)
            self._views[i].clear()
        if len(self._views[i]) > 64:  # shapes that change with every call must not pile up
            self._views[i].clear()
        view = self._views[i][shape, dtype.str] = self._buffers[i][:size].view(dtype).reshape(shape)
        return view


def aligned(size: int) -> Array:
    """Returns `size` zero bytes that start at a multiple of 64, where vector instructions are fastest."""
    raw = np.zeros(size + 64, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + size]
