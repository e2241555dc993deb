"""The linear conjugate gradient: against a direct solver, and where it ends."""

from __future__ import annotations

import numpy as np
import pytest

from dtrain import Solver
from dtrain_plugins.optimizers.conjugate_gradient import conjugate_gradient
from tests.plugins.optimizers.valley import Plain, parabola, spread

LOWEST = np.cos(np.arange(12.0))


def problem_of(matrix, start=None):
    return Plain(Solver(), parabola(matrix, LOWEST), np.zeros(12) if start is None else start)


def test_solves_the_system_in_as_many_products_as_there_are_unknowns():
    problem = problem_of(spread(12, 4))
    solved = conjugate_gradient(problem.hessian_product, problem, 12, 0.0)
    assert solved.direction == pytest.approx(LOWEST, rel=1e-8)
    assert solved.product == pytest.approx(-problem.gradient, rel=1e-8)
    assert solved.model == pytest.approx(-problem.loss, rel=1e-8)
    assert (solved.iterations, problem.products) == (12, 12)


def test_every_iteration_lowers_the_model():
    problem = problem_of(spread(12, 1e4))
    models = [conjugate_gradient(problem.hessian_product, problem, k, 0.0).model for k in range(1, 12)]
    assert (np.diff(models) < 0).all()


def test_ends_when_the_model_settles():
    problem = problem_of(np.diag(np.linspace(1, 1.001, 12)))
    solved = conjugate_gradient(problem.hessian_product, problem, 100, 5e-4)
    assert solved.iterations == 11  # the first time that ten without progress can be looked at


def test_ends_with_what_it_has_where_the_curvature_is_not_positive():
    problem = problem_of(np.diag([1.0] * 11 + [-0.01]), np.full(12, 2.0))
    solved = conjugate_gradient(problem.hessian_product, problem, 100, 0.0)
    assert solved.iterations < 12
    assert problem.dot(solved.direction, problem.gradient) < 0
    assert solved.model < 0


@pytest.mark.parametrize("curvature", [-1.0, 0.0, np.nan])
def test_takes_the_steepest_way_where_there_is_no_curvature_at_all(curvature):
    problem = problem_of(np.eye(12))
    solved = conjugate_gradient(lambda v: curvature * v, problem, 100, 0.0)
    assert (solved.direction == -problem.gradient).all()
    assert (solved.model, solved.iterations) == (0.0, 1)


def test_asks_for_no_product_at_the_minimum():
    problem = problem_of(np.eye(12), LOWEST)
    solved = conjugate_gradient(problem.hessian_product, problem, 100, 0.0)
    assert (solved.iterations, problem.products) == (0, 0)
    assert not solved.direction.any()
