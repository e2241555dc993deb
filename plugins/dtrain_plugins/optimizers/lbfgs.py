from __future__ import annotations

from typing import Annotated, Any

import numpy as np

from dtrain import Array, Problem, Range, Solver

from ..ranges import Count, Positive
from .line_search import Wolfe


class Lbfgs(Solver):
    """Limited-memory BFGS: θ ← θ − α·H·g, H⁻¹ built of the last m pairs s = θ′ − θ, y = g′ − g (two loops).

    H starts as γ·1, γ = s·y/y·y of the newest pair; the step is one that fulfils the strong Wolfe conditions.
    Both gradients of a pair are of the same batch; a pair whose curvature s·y is not above the rounding is left
    out. Made for full batches: pairs of different small batches contradict each other.

    lr: the step α that is tried first, > 0 (the very first time lr·min(1, 1/‖g‖)). history: m ≥ 1, pairs that are
    kept. curvature: c₂ in (1e-4, 1), how much of the slope may be left at the end of a step. evaluations: of loss
    and gradient a step at most, ≥ 1. Slots: s_1 … s_m and y_1 … y_m. Raises ValueError for an option out of range.

    Liu & Nocedal, "On the limited memory BFGS method for large scale optimization", 1989; line search: Nocedal &
    Wright, "Numerical optimization", 2006.
    """

    examples = [{}, {"history": 2, "lr": 0.5, "curvature": 0.5, "evaluations": 10}]

    def __init__(
        self,
        lr: Positive = 1.0,
        history: Count = 10,
        curvature: Annotated[float, Range(gt=1e-4, lt=1)] = 0.9,
        evaluations: Count = 20,
    ) -> None:
        self.lr, self.history, self.curvature, self.evaluations = lr, history, curvature, evaluations
        self.slots = tuple(f"{kind}_{i + 1}" for kind in "sy" for i in range(history))
        self._pairs = 0

    def solve(self, problem: Problem) -> Array:
        direction = self._direction(problem)
        slope = problem.dot(problem.gradient, direction)
        if not slope < 0:  # rounding has spoilt the pairs
            self._pairs = 0
            direction = -problem.gradient
            slope = -problem.dot(problem.gradient, problem.gradient)
        if not slope < 0:
            return problem.value
        first = self.lr if self._pairs else self.lr * min(1.0, 1 / problem.norm(problem.gradient))
        found = Wolfe(problem, direction, slope, self.curvature, self.evaluations)(first)
        if found.alpha > 0:
            self._keep(problem, found.value - problem.value, found.gradient - problem.gradient)
        return found.value

    def _kept(self, problem: Problem) -> list[tuple[Array, Array]]:
        """Returns the pairs, the oldest first."""
        first = max(0, self._pairs - self.history)
        at = [i % self.history + 1 for i in range(first, self._pairs)]
        return [(problem.slots[f"s_{i}"], problem.slots[f"y_{i}"]) for i in at]

    def _direction(self, problem: Problem) -> Array:
        q = -problem.gradient
        pairs = self._kept(problem)
        if not pairs:
            return q
        done = []
        for s, y in reversed(pairs):
            rho = 1 / problem.dot(s, y)
            a = rho * problem.dot(s, q)
            q -= a * y
            done.append((s, y, rho, a))
        s, y, rho, _ = done[0]
        q *= 1 / (rho * problem.dot(y, y))
        for s, y, rho, a in reversed(done):
            q += (a - rho * problem.dot(y, q)) * s
        return q

    def _keep(self, problem: Problem, s: Array, y: Array) -> None:
        if problem.dot(s, y) > problem.precision * problem.norm(s) * problem.norm(y):
            at = self._pairs % self.history + 1
            np.copyto(problem.slots[f"s_{at}"], s)
            np.copyto(problem.slots[f"y_{at}"], y)
            self._pairs += 1

    def state(self) -> dict[str, Any]:
        return {"pairs": self._pairs}

    def load_state(self, state: dict[str, Any]) -> None:
        self._pairs = int(state["pairs"])
