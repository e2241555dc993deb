"""A linear system solved by products alone."""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from typing import NamedTuple

import numpy as np

from dtrain import Array, Problem

PROGRESS = 10
"""Over this many iterations, or a tenth of those done if that is more, the model's fall is looked at."""


class Solved(NamedTuple):
    """direction: p. product: B·p. model: what g·p + ½·p·B·p fell to, at most 0. iterations: products taken."""

    direction: Array
    product: Array
    model: float
    iterations: int


def conjugate_gradient(
    product: Callable[[Array], Array], problem: Problem, most: int, tolerance: float
) -> Solved:
    """Lowers the model g·p + ½·p·B·p from p = 0, g the problem's gradient and `product` that with B.

    Ends after `most` products, or when the model's relative fall over the last k iterations is below
    k·tolerance (Martens, 2010), k = max(10, i/10), or where the curvature along a direction is not positive: then p
    is what was reached before, and −g where that was the first direction (Nocedal & Wright, "Numerical
    optimization", 2006, algorithm 7.1). p·g < 0 in any case, unless g is 0.

    Hestenes & Stiefel, "Methods of conjugate gradients for solving linear systems", 1952.
    """
    p, of_p = np.zeros_like(problem.gradient), np.zeros_like(problem.gradient)
    residual = problem.gradient.copy()
    d = -residual
    square = problem.dot(residual, residual)
    models = [0.0]
    while len(models) <= most and square > 0:
        of_d = product(d)
        curvature = problem.dot(d, of_d)
        if not (isfinite(curvature) and curvature > 0):
            if len(models) == 1:
                return Solved(d, of_d, 0.0, 1)
            break
        alpha = square / curvature
        p += alpha * d
        of_p += alpha * of_d
        residual += alpha * of_d
        before, square = square, problem.dot(residual, residual)
        models.append(0.5 * (problem.dot(p, residual) + problem.dot(p, problem.gradient)))
        if _settled(models, tolerance):
            break
        d = (square / before) * d - residual
    return Solved(p, of_p, models[-1], len(models) - 1)


def _settled(models: list[float], tolerance: float) -> bool:
    done = len(models) - 1
    k = max(PROGRESS, done // 10)
    return done >= k and models[-1] - models[-1 - k] > k * tolerance * models[-1]
