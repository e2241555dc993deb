"""Hessian-free Newton: where one step is the answer, how damping adapts, and where curvature is negative."""

from __future__ import annotations

import numpy as np
import pytest

from dtrain_plugins.optimizers.newton_cg import NewtonCg
from tests.plugins.optimizers.valley import Plain, parabola, rosenbrock, saddle, spread
from tests.plugins.support import message_of

LOWEST = np.cos(np.arange(20.0))


@pytest.mark.parametrize("condition", [10.0, 1e4])
def test_one_undamped_step_finds_the_lowest_point_of_a_parabola(condition):
    solver = NewtonCg(damping=0.0, cg_tolerance=0.0, cg_iterations=200)
    problem = Plain(solver, parabola(spread(20, condition), LOWEST), np.zeros(20))
    _, value = problem.run(1)
    assert value == pytest.approx(LOWEST, rel=1e-5)
    assert solver.damping == 0


def test_the_direction_solves_the_damped_system():
    matrix = spread(20, 100)
    problem = Plain(NewtonCg(damping=0.3, cg_tolerance=0.0), parabola(matrix, LOWEST), np.zeros(20))
    expected = np.linalg.solve(matrix + 0.3 * np.eye(20), -problem.gradient)
    assert problem.run(1)[1] == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize(
    ("bend", "factor"), [(1.0, 2 / 3), (1.75, 1.0), (3.0, 1.5)], ids=["as the model", "half", "little"]
)
def test_damping_follows_how_well_the_model_predicts(bend, factor):
    """The loss's curvature is `bend` times the one that products show: it falls by (2 − bend) of the model's."""

    def f(x):
        return 0.5 * bend * x @ x - (bend - 1) * x @ np.ones(1), bend * x - (bend - 1), np.eye(1)

    def shown(x):  # at x = 1 the gradient is 1
        return f(x)

    solver = NewtonCg(damping=1e-3)
    Plain(solver, shown, np.ones(1)).run(1)
    assert solver.damping == pytest.approx(1e-3 * factor)


def test_the_state_is_the_damping_as_of_now():
    solver, again = NewtonCg(damping=0.1), NewtonCg()
    Plain(solver, parabola(spread(20, 100), LOWEST), np.zeros(20)).run(5)
    assert solver.state() == {"damping": solver.damping}
    assert solver.damping < 0.1
    again.load_state(solver.state())
    assert again.damping == solver.damping


def test_goes_down_the_banana_valley():
    problem = Plain(NewtonCg(curvature="hessian", damping=1e-3), rosenbrock, (-1.2, 1.0))
    values = problem.run(40)
    losses = [rosenbrock(x)[0] for x in values]
    assert values[-1] == pytest.approx([1, 1], abs=1e-6)
    assert (np.diff(losses) <= 1e-15).all()


def test_leaves_the_neighbourhood_of_a_saddle():
    """Newton's own step would go to it."""
    problem = Plain(NewtonCg(curvature="hessian", damping=0.0), saddle, (0.01, 0.01))
    assert abs(problem.run(20)[-1]) == pytest.approx([1, 0], abs=1e-6)


def test_asks_for_no_more_products_than_it_may():
    problem = Plain(
        NewtonCg(cg_iterations=3, cg_tolerance=0.0), parabola(spread(20, 1e6), LOWEST), np.zeros(20)
    )
    problem.run(2)
    assert problem.products == 6


def test_stays_at_the_minimum():
    values = Plain(NewtonCg(), parabola(np.eye(20), LOWEST), LOWEST).run(2)
    assert (values == LOWEST).all()


def test_has_these_defaults():
    part = NewtonCg()
    assert (part.lr, part.curvature, part.damping) == (1.0, "gauss_newton", 1e-2)
    assert (part.cg_iterations, part.cg_tolerance, part.slots) == (100, 5e-4, ())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lr": 0.0}, "lr must be positive, got 0.0"),
        ({"damping": -1.0}, "damping must be at least 0, got -1.0"),
        ({"cg_iterations": 0}, "cg_iterations must be at least 1, got 0"),
        ({"cg_tolerance": -1e-3}, "cg_tolerance must be at least 0, got -0.001"),
    ],
)
def test_refuses_options_out_of_range(options, message):
    assert message_of(ValueError, lambda: NewtonCg(**options)) == message
