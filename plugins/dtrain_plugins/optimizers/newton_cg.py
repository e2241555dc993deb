from __future__ import annotations

from typing import Any, Literal

from dtrain import Array, Problem, Solver

from ..ranges import Count, NotNegative, Positive
from .conjugate_gradient import Solved, conjugate_gradient
from .line_search import backtrack

LOW, HIGH, CHANGE = 0.25, 0.75, 1.5


class NewtonCg(Solver):
    """Hessian-free Newton's method: θ ← θ + α·p, (B + λ·1)·p ≈ −g by conjugate gradients, B by products alone.

    curvature: "gauss_newton" (default): B = Jᵀ·Hₗ·J, positive semi-definite for a loss that is convex in the
    outputs; "hessian": B = H, and the conjugate gradient ends where it meets negative curvature. Products are
    exact, by complex steps. For big batches: one that is small gives a B of those rows alone.

    lr: the step α that is tried first, > 0; 1 is Newton's own. It is halved until the loss falls by 1e-4 of what
    the slope promises; where it never does, θ stays. damping: λ ≥ 0 at the start, in units of B; then 2/3 of it
    where the loss falls by more than 3/4 of what the model says, and 3/2 where by less than 1/4 (Levenberg and
    Marquardt's rule); as of now it is an attribute and part of the state. 0 stays 0. cg_iterations: products a
    step at most, ≥ 1. cg_tolerance: the relative fall of the model an iteration, over the last ones, at which the
    conjugate gradient ends, ≥ 0. A step costs a gradient, and four a product. No slots.

    Raises ValueError for an option out of range.

    Nash, "A survey of truncated-Newton methods", 2000 (line search, no preconditioner); Martens, "Deep learning via
    Hessian-free optimization", 2010 (Gauss–Newton, damping, and when to end; not his backtracking over
    iterates, and each step starts at p = 0); Steihaug, "The conjugate gradient method and trust regions in large
    scale optimization", 1983 (negative curvature).
    """

    examples = [
        {},
        {"curvature": "hessian", "damping": 0.1, "cg_iterations": 5, "lr": 0.5, "cg_tolerance": 0.1},
    ]

    def __init__(
        self,
        lr: Positive = 1.0,
        curvature: Literal["gauss_newton", "hessian"] = "gauss_newton",
        damping: NotNegative = 1e-2,
        cg_iterations: Count = 100,
        cg_tolerance: NotNegative = 5e-4,
    ) -> None:
        self.lr, self.curvature, self.damping = lr, curvature, damping
        self.cg_iterations, self.cg_tolerance = cg_iterations, cg_tolerance

    def solve(self, problem: Problem) -> Array:
        of_b = problem.hessian_product if self.curvature == "hessian" else problem.gauss_newton_product

        def product(v: Array) -> Array:
            return of_b(v) + self.damping * v

        solved = conjugate_gradient(product, problem, self.cg_iterations, self.cg_tolerance)
        slope = problem.dot(problem.gradient, solved.direction)
        if not slope < 0:
            return problem.value
        tried, _, _, value = backtrack(problem, solved.direction, slope, self.lr)
        self._adapt(problem, solved, slope, tried)
        return value

    def _adapt(self, problem: Problem, solved: Solved, slope: float, tried: float) -> None:
        """Compares the fall of the loss at the first step with that of the model there."""
        bend = problem.dot(solved.direction, solved.product)
        model = self.lr * slope + 0.5 * self.lr * self.lr * bend
        if not model < -4 * problem.precision * abs(problem.loss):
            return  # what is left to fall is below the loss's rounding
        ratio = (tried - problem.loss) / model
        if ratio > HIGH:
            self.damping /= CHANGE
        elif not ratio >= LOW:  # also where the loss was not finite
            self.damping *= CHANGE

    def state(self) -> dict[str, Any]:
        return {"damping": self.damping}

    def load_state(self, state: dict[str, Any]) -> None:
        self.damping = float(state["damping"])
