from __future__ import annotations

from math import inf, prod
from typing import Literal

import numpy as np

from dtrain import Array

from .pointwise import Points, Rowwise, magnitude


class Lp(Rowwise):
    """The p-norm of a row's errors: (Σ|d|ᵖ)^(1/p), d = y − target; the largest |d| for p = "inf".

    y: (rows, …). target: numbers of the same shape, or (rows,) for a single output. values: (rows,).
    dy = sign(d)·(|d|/value)^(p−1), of y's shape; for "inf" the sign of the first largest d, 0 elsewhere; 0
    where a row has no error. p = 1 is the sum of absolute errors; p = 2 is the root of a sum of squares, not
    `mse`.

    p: ≥ 1, or "inf".

    Raises ValueError for another p.

    Riesz, "Untersuchungen über Systeme integrierbarer Funktionen", 1910.
    """

    takes = ("number",)
    examples = [
        {"input": (3,), "target": "real"},
        {"p": 1.5, "input": (3,), "target": "real"},
        {"p": "inf", "input": (3,), "target": "real"},
    ]

    def __init__(self, p: float | Literal["inf"] = 2.0) -> None:
        self.p = float(p)
        if not self.p >= 1:
            raise ValueError(f'p must be at least 1, or "inf", got {p}')

    def some(self, y: Array, target: Array) -> Points:
        d = y - target.reshape(y.shape).astype(y.dtype, copy=False)
        size, sign = magnitude(d.reshape(len(y), prod(y.shape[1:])))
        if self.p == inf:
            at = np.arange(len(y)), size.real.argmax(axis=1)
            slope = np.zeros_like(sign)
            slope[at] = sign[at]
            return size[at], lambda: slope.reshape(y.shape)
        top = size.real.max(axis=1, keepdims=True)
        size /= np.where(top > 0, top, 1)  # powers of at most 1 do not overflow
        total = np.einsum("ij->i", size**self.p)
        norm = total ** (1 / self.p)

        def backward() -> Array:
            relative = size / np.where(norm.real > 0, norm, 1)[:, None]
            return (sign * relative ** (self.p - 1)).reshape(y.shape)

        with np.errstate(over="ignore"):  # beyond the dtype's range the norm is infinite
            return norm * top[:, 0], backward
