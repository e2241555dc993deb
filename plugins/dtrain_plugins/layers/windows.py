"""Windows of a kernel on a channels-last grid: what convolutions and pools of any dimension share."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import prod
from typing import Literal

import numpy as np
from numpy.lib.stride_tricks import as_strided

from dtrain import Array, Context, Layer, Shape

Padding = Literal["valid", "same"]


def sizes(value: int | Sequence[int], dimensions: int, name: str) -> Shape:
    """Returns one size for each dimension; raises ValueError for sizes below 1."""
    given = (value,) * dimensions if isinstance(value, int) else tuple(value)
    if min(given) < 1:
        raise ValueError(f"{name} must be at least 1, got {value}")
    return given


def check_grid(layer: Layer, shape: Shape, dimensions: int, part: str) -> None:
    """Raises ValueError for samples that are not channels-last, of so many dimensions beside the channels."""
    layer.grid = shape
    if len(shape) != dimensions + 1:
        axes = "(H, W, C)" if dimensions == 2 else "(n, C)"
        raise ValueError(
            f"{part} takes samples {axes}, channels last, got {shape}; put a reshape before it, and behind that a "
            "transpose where the channels come first"
        )


def _channels_first(grid: Shape) -> str:
    """Return advice for images whose first axis may be that of the channels, which are fewer than the columns."""
    if len(grid) != 2 or grid[1] <= grid[0]:
        return ""
    return f", or, if {grid[0]} is the number of channels, put a transpose before it: axes = [1, 2, 0]"


class Windows:
    """Where windows lie on a grid.

    grid, kernel, stride, dilation: one number a dimension. padding: "valid": windows lie within the grid; "same":
    there are ⌈n/stride⌉ windows, and what they need beyond the grid is added on both sides, the odd one behind
    (as Keras and TensorFlow do). count: windows in each dimension. Raises ValueError where none fits.
    """

    def __init__(self, grid: Shape, kernel: Shape, stride: Shape, dilation: Shape, padding: Padding) -> None:
        self.grid, self.kernel, self.stride, self.dilation = grid, kernel, stride, dilation
        reach = tuple((k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True))
        self.before: Shape = (0,) * len(grid)
        self.padded = grid
        if padding == "same":
            self.count = tuple(-(-n // s) for n, s in zip(grid, stride, strict=True))
            ends = ((c - 1) * s + r for c, s, r in zip(self.count, stride, reach, strict=True))
            self.padded = tuple(max(n, end) for n, end in zip(grid, ends, strict=True))
            self.before = tuple((p - n) // 2 for p, n in zip(self.padded, grid, strict=True))
        elif any(n < r for n, r in zip(grid, reach, strict=True)):
            raise ValueError(
                f'a window that reaches over {reach} does not fit in {grid}; take padding = "same" or smaller ones'
                f"{_channels_first(grid)}"
            )
        else:
            self.count = tuple((n - r) // s + 1 for n, r, s in zip(grid, reach, stride, strict=True))
        self.trivial = prod(kernel) == prod(stride) == 1
        self.apart = all(s >= r for s, r in zip(stride, reach, strict=True))
        """Whether no place is in two windows."""
        self.inside = (slice(None), *(slice(b, b + n) for b, n in zip(self.before, grid, strict=True)))
        """Where the grid lies in a padded array."""
        self.places = [self._place(offset) for offset in product(*map(range, kernel))]
        """For each element of the kernel, in order, the part of a padded array that it meets."""

    def _place(self, offset: Shape) -> tuple[slice, ...]:
        starts = (o * d for o, d in zip(offset, self.dilation, strict=True))
        cut = zip(starts, self.count, self.stride, strict=True)
        return (slice(None), *(slice(a, a + (c - 1) * s + 1, s) for a, c, s in cut))

    def pad(self, x: Array, context: Context, fill: float = 0.0) -> Array:
        """Returns x (rows, *grid, C) with the padding around it: (rows, *padded, C); x itself where there is none."""
        if self.padded == self.grid:
            return x
        padded = context.empty((len(x), *self.padded, x.shape[-1]), x.dtype)
        padded.fill(fill)
        padded[self.inside] = x
        return padded

    def zeros(self, rows: int, channels: int, dtype: np.dtype[np.generic], context: Context) -> Array:
        """Returns an array (rows, *padded, channels) of zeros, to be added to at `places`."""
        array = context.empty((rows, *self.padded, channels), dtype)
        array.fill(0)
        return array

    def crop(self, padded: Array, context: Context) -> Array:
        """Returns what lies on the grid, contiguous."""
        if self.padded == self.grid:
            return padded
        x = context.empty((len(padded), *self.grid, padded.shape[-1]), padded.dtype)
        np.copyto(x, padded[self.inside])
        return x

    def patches(self, x: Array, context: Context) -> Array:
        """Returns what each window sees: (rows, *grid, C) → (rows, *count, kernel·C), the channels fastest."""
        if self.trivial and x.flags.c_contiguous:
            return x
        rows, channels = len(x), x.shape[-1]
        x = self.pad(x, context)
        step, far, near = x.strides[1:-1], self.stride, self.dilation
        seen = as_strided(
            x,
            (rows, *self.count, *self.kernel, channels),
            (
                x.strides[0],
                *(a * b for a, b in zip(step, far, strict=True)),
                *(a * b for a, b in zip(step, near, strict=True)),
                x.strides[-1],
            ),
            writeable=False,
        )
        out = context.empty((rows, *self.count, prod(self.kernel) * channels), x.dtype)
        np.copyto(out.reshape(seen.shape), seen)
        return out

    def scatter(self, y: Array, w: Array, context: Context) -> Array:
        """Adds y·wᵀ up where the windows overlap: the transpose of x ↦ patches(x)·w.

        y: (rows, *count, F), w: (kernel·C, F) → (rows, *grid, C). One element of the kernel at a time: what all
        windows give to it is still in the cache when it is added.
        """
        if self.trivial:
            return context.matmul(y, w.T)
        elements = w.reshape(len(self.places), -1, w.shape[1])
        rows, channels, dtype = len(y), elements.shape[1], np.result_type(y, w)
        padded = self.zeros(rows, channels, dtype, context)
        part = context.empty((rows, *self.count, channels), dtype)
        for element, place in zip(elements, self.places, strict=True):
            padded[place] += context.matmul(y, element.T, part)
        return self.crop(padded, context)
