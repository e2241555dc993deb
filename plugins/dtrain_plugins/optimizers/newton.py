from __future__ import annotations

import numpy as np

from dtrain import Array, Problem, Solver

from ..ranges import Positive
from .line_search import backtrack

MOST = 2000


class Newton(Solver):
    """Newton's method with the exact Hessian, for small networks: θ ← θ − α·|H|⁻¹·g.

    |H| = Q·max(|Λ|, δ·max|Λ|)·Qᵀ with H = Q·Λ·Qᵀ: where H is positive definite and well conditioned this is
    Newton's step; along negative curvature it goes down instead of up to the saddle. H is made a column at a time
    by complex steps, exact, and solved in float64 on every rank: a step costs four gradients a parameter, so that
    at most 2,000 parameters are taken.

    lr: the step α that is tried first, > 0; 1 is Newton's own. It is halved until the loss falls by 1e-4 of what
    the slope promises; where it never does, θ stays. floor: δ > 0, the least share of the greatest curvature that a
    direction counts as having. No slots.

    Raises ValueError for an option out of range, and for more than 2,000 trained parameters.

    Nocedal & Wright, "Numerical optimization", 2006, section 3.4; |Λ|: Dauphin et al., "Identifying and attacking
    the saddle point problem in high-dimensional non-convex optimization", 2014.
    """

    examples = [{"outputs": 2}, {"lr": 0.5, "floor": 1e-3, "outputs": 2}]

    def __init__(self, lr: Positive = 1.0, floor: Positive = 1e-7) -> None:
        self.lr, self.floor = lr, floor

    def check(self, size: int) -> None:
        if size > MOST:
            raise ValueError(
                f"expected at most {MOST:,} trained parameters, of which it makes the whole matrix of second "
                f"derivatives, got {size:,}; take newton_cg, which needs none"
            )

    def solve(self, problem: Problem) -> Array:
        direction = problem.scatter(-self._solved(self._hessian(problem), problem.gather(problem.gradient)))
        slope = problem.dot(problem.gradient, direction)
        if not slope < 0:
            return problem.value
        return backtrack(problem, direction, slope, self.lr)[3]

    def _solved(self, hessian: Array, gradient: Array) -> Array:
        """Returns |H|⁻¹·g; g itself where H says nothing: it is 0, or beyond the dtype's range."""
        if not np.isfinite(hessian).all() or not hessian.any():
            return gradient
        curvatures, directions = np.linalg.eigh(hessian)
        sizes = np.abs(curvatures)
        return directions @ ((directions.T @ gradient) / np.maximum(sizes, self.floor * sizes.max()))

    def _hessian(self, problem: Problem) -> Array:
        matrix = np.empty((problem.size, problem.size))
        one = np.zeros(problem.size)
        for i in range(problem.size):
            one[i] = 1
            matrix[i] = problem.gather(problem.hessian_product(problem.scatter(one)))
            one[i] = 0
        return 0.5 * (matrix + matrix.T)
