"""A vector beside many short rows: NumPy's loops are as long as a row, so several rows are taken as one."""

from __future__ import annotations

from dtrain import Array, Context

ENOUGH = 512
"""Numbers in a row from which longer rows gain nothing."""

MANY = 1024
"""Rows below which repeating the vector costs more than short loops do."""


def rows_as_one(x: Array) -> int:
    """Returns how many neighbouring rows of x (…, d) to take as one: a power of two that divides their number."""
    d = x.shape[-1]
    if d > ENOUGH // 8 or x.size < MANY * d:
        return 1
    rows = x.size // d
    return min(rows & -rows, 1 << (ENOUGH // d).bit_length() - 1)


def repeated(vector: Array, times: int, context: Context) -> Array:
    """Returns a vector (d,) as many times in a row: (times·d,)."""
    rows = context.empty((times, len(vector)), vector.dtype)
    rows[...] = vector
    return rows.reshape(-1)
