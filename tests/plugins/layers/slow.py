"""Convolutions and pools of two dimensions, one product at a time, from their definitions."""

from __future__ import annotations

from math import ceil

import numpy as np


def padding_of(n, kernel, stride, dilation, padding):
    """Returns (windows, how far the first one reaches out)."""
    reach = (kernel - 1) * dilation + 1
    if padding == "valid":
        return len(range(0, n - reach + 1, stride)), 0
    count = ceil(n / stride)
    missing = max((count - 1) * stride + reach - n, 0)
    return count, missing // 2


def window_of(shape, kernel, stride, dilation, padding):
    """Yields (place of the output, element of the kernel, place of the input) for all that meet."""
    (rows, before_rows), (columns, before_columns) = (
        padding_of(*numbers, padding) for numbers in zip(shape, kernel, stride, dilation, strict=True)
    )
    for i in range(rows):
        for j in range(columns):
            for p in range(kernel[0]):
                for q in range(kernel[1]):
                    a = i * stride[0] + p * dilation[0] - before_rows
                    b = j * stride[1] + q * dilation[1] - before_columns
                    if 0 <= a < shape[0] and 0 <= b < shape[1]:
                        yield (i, j), (p, q), (a, b)


def counts(shape, kernel, stride, dilation, padding):
    return tuple(padding_of(*n, padding)[0] for n in zip(shape, kernel, stride, dilation, strict=True))


def convolution(x, w, b, stride, dilation, padding, groups):
    """x: (rows, H, W, C), w: (kh, kw, C/groups, F), b: (F,)."""
    kernel, inputs, filters = w.shape[:2], w.shape[2], w.shape[3]
    shape = x.shape[1:3]
    y = np.zeros((len(x), *counts(shape, kernel, stride, dilation, padding), filters)) + b
    for out, k, place in window_of(shape, kernel, stride, dilation, padding):
        for f in range(filters):
            first = f // (filters // groups) * inputs
            for c in range(inputs):
                y[(slice(None), *out, f)] += x[(slice(None), *place, first + c)] * w[(*k, c, f)]
    return y


def pool(x, kernel, stride, padding, of):
    """of: from the numbers of one window, a list, to one number."""
    shape, ones = x.shape[1:3], (1, 1)
    y = np.zeros((len(x), *counts(shape, kernel, stride, ones, padding), x.shape[3]))
    for row in range(len(x)):
        for c in range(x.shape[3]):
            seen = {}
            for out, _, place in window_of(shape, kernel, stride, ones, padding):
                seen.setdefault(out, []).append(x[(row, *place, c)])
            for out, numbers in seen.items():
                y[(row, *out, c)] = of(numbers)
    return y
