"""Step lengths: what they promise, and where they give up."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import line_search as of_scipy

from dtrain import Solver
from dtrain_plugins.optimizers.line_search import Wolfe, backtrack
from tests.plugins.optimizers.valley import Plain, rosenbrock, saddle

STARTS = [(-1.2, 1.0), (0.0, 0.5), (2.0, -1.0), (0.5, 0.0)]


def problem_of(function, start):
    return Plain(Solver(), function, start)


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("first", [1e-6, 1e-3, 1.0, 100.0])
@pytest.mark.parametrize("c_2", [0.1, 0.9])
def test_a_step_fulfils_both_wolfe_conditions(start, first, c_2):
    problem = problem_of(rosenbrock, start)
    d = -problem.gradient
    slope = problem.dot(problem.gradient, d)
    found = Wolfe(problem, d, slope, c_2, 40)(first)
    loss, gradient, _ = rosenbrock(problem.value + found.alpha * d)
    assert found.alpha > 0
    assert found.loss == loss <= problem.loss + 1e-4 * found.alpha * slope
    assert abs(gradient @ d) <= -c_2 * slope
    assert (found.value == problem.value + found.alpha * d).all()
    assert (found.gradient == gradient).all()


@pytest.mark.parametrize("start", STARTS)
def test_needs_about_as_many_evaluations_as_scipy_s(start):
    problem = problem_of(rosenbrock, start)
    d = -problem.gradient / problem.norm(problem.gradient)
    Wolfe(problem, d, problem.dot(problem.gradient, d), 0.9, 40)(1.0)
    _, evaluations, *_ = of_scipy(lambda x: rosenbrock(x)[0], lambda x: rosenbrock(x)[1], np.array(start), d)
    assert len(problem.points) <= 2 * evaluations + 2


def test_takes_the_best_point_it_saw_when_evaluations_end():
    problem = problem_of(rosenbrock, (-1.2, 1.0))
    d = -problem.gradient
    found = Wolfe(problem, d, problem.dot(problem.gradient, d), 1e-3, 3)(1e-4)
    assert len(problem.points) == 3
    assert found.loss == min(rosenbrock(x)[0] for x in problem.points) < problem.loss


def test_stays_where_no_step_helps():
    """A gradient that points uphill the wrong way: nothing falls along its direction."""
    problem = problem_of(rosenbrock, (-1.2, 1.0))
    up = problem.gradient.copy()
    found = Wolfe(problem, up, -1.0, 0.9, 10)(1.0)
    assert found.alpha == 0
    assert (found.value == problem.value).all()
    tried, alpha, loss, value = backtrack(problem, up, -1.0, 1.0)
    assert (alpha, loss) == (0.0, problem.loss)
    assert tried == rosenbrock(problem.value + up)[0]
    assert (value == problem.value).all()


def fenced(x):
    loss, gradient, hessian = saddle(x)
    return (loss, gradient, hessian) if abs(x[0]) < 2 else (np.nan, gradient * np.nan, hessian)


def test_comes_back_from_where_the_loss_is_no_number():
    problem = problem_of(fenced, (0.5, 1.0))
    d = np.array([1.0, -1.0])
    slope = problem.dot(problem.gradient, d)
    found = Wolfe(problem, d, slope, 0.9, 20)(1e6)
    assert 0 < found.alpha < 1.5
    assert found.loss < problem.loss
    _, alpha, loss, _ = backtrack(problem, d, slope, 1e6)
    assert 0 < alpha < 1.5
    assert loss < problem.loss


def test_halves_until_the_loss_falls_enough():
    problem = problem_of(saddle, (0.0, 1.0))
    d = np.array([0.0, -1.0])
    tried, alpha, loss, value = backtrack(problem, d, -1.0, 4.0)
    assert (tried, alpha, loss) == (4.5, 1.0, 0.0)
    assert (value == 0).all()
    assert len(problem.points) == 3
