"""Functions for optimizers with a step of their own, and a `Problem` in plain NumPy to see them through."""

from __future__ import annotations

from math import sqrt

import numpy as np


class Plain:
    """A `Problem` of a function that returns (loss, gradient, Hessian); the points asked for are in `points`."""

    precision = float(np.finfo(np.float64).eps)

    def __init__(self, solver, function, start) -> None:
        self.function, self.solver = function, solver
        self.size, self.step, self.points, self.products = len(start), 0, [], 0
        self.slots = {name: np.zeros(self.size) for name in solver.slots}
        self._begin(np.array(start, float))

    def _begin(self, value):
        self.step += 1
        self.value = value
        self.loss, self.gradient, self._hessian = self.function(value)

    def run(self, steps):
        """The values at the beginning, and after each step."""
        found = [self.value]
        for _ in range(steps):
            self._begin(self.solver.solve(self))
            found.append(self.value)
        return np.array(found)

    def loss_at(self, value):
        self.points.append(value)
        return self.function(value)[0]

    def loss_and_gradient(self, value):
        self.points.append(value)
        return self.function(value)[:2]

    def hessian_product(self, v):
        self.products += 1
        return self._hessian @ v

    gauss_newton_product = hessian_product

    def dot(self, a, b):
        return float(a @ b)

    def norm(self, a):
        return sqrt(a @ a)

    def gather(self, a):
        return a.copy()

    def scatter(self, whole):
        return whole.copy()


def parabola(matrix, lowest):
    """½·(x − c)ᵀA(x − c)."""
    return lambda x: (0.5 * (x - lowest) @ matrix @ (x - lowest), matrix @ (x - lowest), matrix)


def spread(n, condition, seed=0):
    """A symmetric matrix with eigenvalues from 1/condition to 1."""
    q, _ = np.linalg.qr(np.random.Generator(np.random.Philox(seed)).standard_normal((n, n)))
    return (q * np.logspace(-np.log10(condition), 0, n)) @ q.T


def rosenbrock(x):
    """Rosenbrock's banana valley in two numbers, lowest at (1, 1)."""
    a, b = x
    gradient = np.array([-400 * a * (b - a * a) - 2 * (1 - a), 200 * (b - a * a)])
    hessian = np.array([[1200 * a * a - 400 * b + 2, -400 * a], [-400 * a, 200.0]])
    return 100 * (b - a * a) ** 2 + (1 - a) ** 2, gradient, hessian


def saddle(x):
    """¼·x⁴ − ½·x² + ½·y²: minima at (±1, 0), a saddle at 0."""
    a, b = x
    return 0.25 * a**4 - 0.5 * a * a + 0.5 * b * b, np.array([a**3 - a, b]), np.diag([3 * a * a - 1, 1.0])
