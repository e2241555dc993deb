"""How far along a direction: two rules, and what both ask of a point."""

from __future__ import annotations

from math import isfinite, nan, sqrt
from typing import NamedTuple

from dtrain import Array, Problem

ARMIJO = 1e-4
"""Of the fall that the slope at the start promises, so much has to come."""

HALVINGS = 30


class Point(NamedTuple):
    """A point along a direction: the step α, the loss there, its slope along the direction, value and gradient."""

    alpha: float
    loss: float
    slope: float
    value: Array
    gradient: Array


def backtrack(
    problem: Problem, direction: Array, slope: float, first: float
) -> tuple[float, float, float, Array]:
    """Halves the step from `first` until the loss falls enough (Armijo, 1966).

    slope: of the loss along the direction at the start, below 0. Returns the loss at the first step, then step,
    loss and value at the last; the start itself, with step 0, after 30 halvings. A fall that the loss's own
    rounding hides counts as one.
    """
    alpha, tried = first, nan
    rounding = 4 * problem.precision * abs(problem.loss)
    for i in range(HALVINGS):
        value = problem.value + alpha * direction
        loss = problem.loss_at(value)
        if i == 0:
            tried = loss
        if isfinite(loss) and loss <= problem.loss + ARMIJO * alpha * slope + rounding:
            return tried, alpha, loss, value
        alpha /= 2
    return tried, 0.0, problem.loss, problem.value


class Wolfe:
    """Finds a step that fulfils the strong Wolfe conditions.

    φ(α) ≤ φ(0) + c₁·α·φ′(0) and |φ′(α)| ≤ c₂·|φ′(0)|, φ(α) the loss at value + α·direction. Nocedal & Wright,
    "Numerical optimization", 2006, algorithms 3.5 and 3.6, with cubic interpolation (3.59) inside a bracket. Where
    no such step is found in `most` evaluations, the best one that fulfils the first condition will do.
    """

    def __init__(self, problem: Problem, direction: Array, slope: float, c_2: float, most: int) -> None:
        self._problem, self._direction, self._c_2, self._left = problem, direction, c_2, most
        self._start = Point(0.0, problem.loss, slope, problem.value, problem.gradient)
        self._rounding = 4 * problem.precision * abs(problem.loss)
        self._best = self._start

    def __call__(self, first: float) -> Point:
        """Returns the point; the start itself where the loss falls nowhere. first: the step that is tried first."""
        before, alpha = self._start, first
        while self._left > 0:
            here = self._at(alpha)
            if not self._falls(here) or (before.alpha > 0 and here.loss >= before.loss):
                return self._zoom(before, here)
            if self._flat(here):
                return here
            if here.slope >= 0:
                return self._zoom(here, before)
            before, alpha = here, 2 * alpha
        return self._best

    def _at(self, alpha: float) -> Point:
        self._left -= 1
        problem = self._problem
        value = problem.value + alpha * self._direction
        loss, gradient = problem.loss_and_gradient(value)
        slope = problem.dot(gradient, self._direction)
        here = Point(alpha, loss, slope, value, gradient)
        if isfinite(slope) and self._falls(here) and loss < self._best.loss:
            self._best = here
        return here

    def _falls(self, here: Point) -> bool:
        bound = self._start.loss + ARMIJO * here.alpha * self._start.slope + self._rounding
        return isfinite(here.loss) and here.loss <= bound

    def _flat(self, here: Point) -> bool:
        return abs(here.slope) <= -self._c_2 * self._start.slope

    def _zoom(self, low: Point, high: Point) -> Point:
        """low: the better end of a bracket; high: the other, on the side to which low falls."""
        while self._left > 0:
            here = self._at(_between(low, high))
            if not self._falls(here) or here.loss >= low.loss + self._rounding:
                high = here
                continue
            if self._flat(here):
                return here
            if here.slope * (high.alpha - low.alpha) >= 0:
                high = low
            low = here
        return self._best


def _between(low: Point, high: Point) -> float:
    """Returns the least point of the cubic through both ends, or the middle where that is no use."""
    width = high.alpha - low.alpha
    middle = low.alpha + width / 2
    if not (isfinite(high.loss) and isfinite(high.slope)):
        return low.alpha + width / 10
    a = low.slope + high.slope - 3 * (low.loss - high.loss) / (low.alpha - high.alpha)
    inside = a * a - low.slope * high.slope
    if not inside >= 0:
        return middle
    b = sqrt(inside) * (1 if width > 0 else -1)
    under = high.slope - low.slope + 2 * b
    if under == 0:
        return middle
    alpha = high.alpha - width * (high.slope + b - a) / under
    share = (alpha - low.alpha) / width
    return alpha if 0.1 <= share <= 0.9 else middle
