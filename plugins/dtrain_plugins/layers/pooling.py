"""Pools of any dimension: they make one number of each window, channel by channel."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, prod
from typing import ClassVar

import numpy as np

from dtrain import Array, Backward, Context, Layer, Maker, Shape, Span

from .windows import Padding, Windows, check_grid, sizes


class Pool(Layer):
    """What all pools are; the parts say what the options mean."""

    dimensions: ClassVar[int]
    part: ClassVar[str]

    def __init__(
        self, size: int | Sequence[int], stride: int | Sequence[int] | None, padding: Padding
    ) -> None:
        self.size = sizes(size, self.dimensions, "size")
        self.stride = self.size if stride is None else sizes(stride, self.dimensions, "stride")
        self.padding = padding

    def build(self, shape: Shape, make: Maker) -> Shape:
        check_grid(self, shape, self.dimensions, self.part)
        ones = (1,) * self.dimensions
        self.windows = Windows(shape[:-1], self.size, self.stride, ones, self.padding)
        return (*self.windows.count, shape[-1])


class Pool1d(Pool):
    """The options of pools of sequences."""

    dimensions = 1
    examples = [{"input": (6, 3)}, {"size": 3, "stride": 2, "padding": "same", "input": (6, 2)}]

    def __init__(self, size: int = 2, stride: int | None = None, padding: Padding = "valid") -> None:
        super().__init__(size, stride, padding)


class Pool2d(Pool):
    """The options of pools of images."""

    dimensions = 2
    examples = [
        {"input": (4, 6, 3)},
        {"size": [2, 3], "stride": [1, 2], "padding": "same", "input": (5, 4, 2)},
    ]

    def __init__(
        self,
        size: int | tuple[int, int] = 2,
        stride: int | tuple[int, int] | None = None,
        padding: Padding = "valid",
    ) -> None:
        super().__init__(size, stride, padding)


class MaxPool(Pool):
    """The greatest number of each window."""

    def output_span(self, taken: Span | None) -> Span | None:
        return None if taken is None else taken.bounds

    def forward(self, x: Array, context: Context) -> tuple[Array, Backward]:
        windows, rows, channels = self.windows, len(x), x.shape[-1]
        padded = windows.pad(x, context, -inf)
        y = context.empty((rows, *windows.count, channels), x.dtype)
        np.copyto(y, padded[windows.places[0]])
        for place in windows.places[1:]:
            if x.dtype.kind == "c":  # NumPy decides a tie by the imaginary part
                np.copyto(y, padded[place], where=padded[place].real > y.real)
            else:
                np.maximum(y, padded[place], out=y)

        def backward(dy: Array) -> Array:
            dx = windows.zeros(rows, channels, dy.dtype, context)
            free, hit = (context.empty(y.shape, np.dtype(np.bool_)) for _ in range(2))
            part = context.empty(y.shape, dy.dtype)
            free.fill(True)
            for place in windows.places:
                np.equal(padded[place], y, out=hit)
                hit &= free
                free ^= hit
                np.copyto(part, hit)
                if windows.apart:
                    np.multiply(part, dy, out=dx[place])
                else:
                    part *= dy  # adding only where there is a hit takes ten times as long
                    dx[place] += part
            return windows.crop(dx, context)

        return y, backward


class AveragePool(Pool):
    """The mean of each window's numbers, padding not counted."""

    def build(self, shape: Shape, make: Maker) -> Shape:
        out = super().build(shape, make)
        windows = self.windows
        inside = np.zeros((1, *windows.padded, 1))
        inside[windows.inside] = 1
        counts = np.zeros((1, *windows.count, 1))
        for place in windows.places:
            counts += inside[place]
        self.shares = 1 / counts
        return out

    def output_span(self, taken: Span | None) -> Span | None:
        return taken

    def forward(self, x: Array, context: Context) -> tuple[Array, Backward]:
        windows, rows, channels = self.windows, len(x), x.shape[-1]
        shares = self.shares.astype(x.real.dtype)
        padded = windows.pad(x, context)
        y = context.empty((rows, *windows.count, channels), x.dtype)
        np.copyto(y, padded[windows.places[0]])
        for place in windows.places[1:]:
            y += padded[place]
        y *= shares

        def backward(dy: Array) -> Array:
            part = np.multiply(dy, shares, out=context.empty(dy.shape, dy.dtype))
            dx = windows.zeros(rows, channels, dy.dtype, context)
            for place in windows.places:
                dx[place] += part
            return windows.crop(dx, context)

        return y, backward


class GlobalAveragePool(Layer):
    """The mean of all places."""

    dimensions: ClassVar[int]
    part: ClassVar[str]

    def build(self, shape: Shape, make: Maker) -> Shape:
        check_grid(self, shape, self.dimensions, self.part)
        return (shape[-1],)

    def output_span(self, taken: Span | None) -> Span | None:
        return taken

    def forward(self, x: Array, context: Context) -> tuple[Array, Backward]:
        places, channels = prod(x.shape[1:-1]), x.shape[-1]
        y = context.empty((len(x), channels), x.dtype)
        np.matmul(np.ones(places, x.dtype), x.reshape(len(x), places, channels), out=y)
        y /= places

        def backward(dy: Array) -> Array:
            dx = context.empty(x.shape, dy.dtype)
            np.divide(dy.reshape(len(x), 1, channels), places, out=dx.reshape(len(x), places, channels))
            return dx

        return y, backward
