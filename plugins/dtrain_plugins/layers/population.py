"""Mean and variance of a whole training set, merged from those of its batches."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dtrain import Array, Context


def population(batches: Iterable[Array], context: Context, axes: tuple[int, ...]) -> tuple[int, Any, Any]:
    """Returns the count, mean and unbiased variance of all batches' rows, in float64, on all ranks.

    batches: this rank's rows of each. Count, mean and sum of squared deviations are merged batch by batch, stable
    for any mean/std (Chan, Golub & LeVeque, "Updating formulae and a pairwise algorithm for computing sample
    variances", 1979).
    """
    total: int = 0
    mean: Any = 0.0
    squares: Any = 0.0
    for x in batches:
        count, batch_mean, batch_variance = context.moments(x, axes)
        if count:
            off = batch_mean - mean
            mean = mean + off * (count / (total + count))
            squares = squares + (batch_variance * count + off * off * (total * count / (total + count)))
            total += count
    return total, mean, squares / max(total - 1, 1)
