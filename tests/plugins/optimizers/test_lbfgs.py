"""Limited-memory BFGS: against the matrix it stands for, and against SciPy's."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize, rosen, rosen_der

from dtrain_plugins.optimizers.lbfgs import Lbfgs
from tests.plugins.optimizers.valley import Plain, parabola, spread
from tests.plugins.support import message_of

LOWEST = np.cos(np.arange(20.0))


def valley(x):
    """Rosenbrock's valley in any dimension, SciPy's."""
    return rosen(x), rosen_der(x), None


def dense(pairs, size):
    """The inverse matrix by the BFGS formula itself, pair by pair (Nocedal & Wright, 6.17)."""
    s, y = pairs[-1]
    h = np.eye(size) * (s @ y) / (y @ y)
    for s, y in pairs:
        rho = 1 / (s @ y)
        left = np.eye(size) - rho * np.outer(s, y)
        h = left @ h @ left.T + rho * np.outer(s, s)
    return h


@pytest.mark.parametrize("steps", [1, 3, 5, 9])
def test_the_direction_is_that_of_the_dense_matrix_of_the_last_pairs(steps):
    solver = Lbfgs(history=4)
    problem = Plain(solver, valley, np.full(6, 0.3))
    values = problem.run(steps)
    gradients = [rosen_der(x) for x in values]
    pairs = list(zip(np.diff(values, axis=0), np.diff(gradients, axis=0), strict=True))[-4:]
    expected = -dense(pairs, 6) @ gradients[-1]
    assert solver._direction(problem) == pytest.approx(expected, rel=1e-7)


@pytest.mark.parametrize(
    ("function", "start", "tolerance"),
    [
        (valley, np.full(10, -0.5), 1e-6),
        (parabola(spread(20, 100), LOWEST), np.zeros(20), 1e-6),
    ],
    ids=["valley", "parabola"],
)
def test_finds_scipy_s_minimum_in_about_as_many_iterations(function, start, tolerance):
    theirs = minimize(lambda x: function(x)[:2], start, jac=True, method="L-BFGS-B",
                      options={"maxcor": 10, "ftol": 0, "gtol": 1e-10})  # fmt: skip
    values = Plain(Lbfgs(), function, start).run(2 * theirs.nit)
    off = np.abs(values - theirs.x).max(axis=1)
    assert theirs.nit > 10
    assert off[-1] <= tolerance
    assert np.nonzero(off <= tolerance)[0][0] <= 1.5 * theirs.nit


def test_the_first_step_is_short():
    problem = Plain(Lbfgs(evaluations=1), lambda x: (x @ x * 1e4, 2e4 * x, None), np.ones(4))
    problem.run(1)
    assert np.linalg.norm(problem.points[0] - 1) == pytest.approx(1.0)


def test_a_pair_without_curvature_is_left_out():
    """Along a straight slope gradients do not change: s·y is 0."""
    solver = Lbfgs(evaluations=3)
    problem = Plain(solver, lambda x: (x.sum(), np.ones(4), None), np.zeros(4))
    values = problem.run(3)
    assert solver.state() == {"pairs": 0}
    assert (np.diff(values.sum(axis=1)) < 0).all()


def test_begins_anew_where_pairs_have_become_useless():
    solver = Lbfgs(history=1)
    problem = Plain(solver, valley, np.full(6, 0.3))
    problem.run(1)
    problem.slots["y_1"] *= -1  # as rounding could: uphill
    before = problem.loss
    problem.run(1)
    assert problem.loss < before
    assert solver.state() == {"pairs": 1}


def test_goes_on_from_its_slots_and_its_state():
    straight = Plain(Lbfgs(history=3), valley, np.full(6, 0.3)).run(12)
    first = Plain(Lbfgs(history=3), valley, np.full(6, 0.3))
    middle = first.run(7)[-1]
    second = Lbfgs(history=3)
    second.load_state(first.solver.state())
    rest = Plain(second, valley, middle)
    rest.slots = first.slots
    assert (rest.run(5) == straight[7:]).all()
    assert first.solver.state() == {"pairs": 7}


def test_stays_at_the_minimum():
    assert (Plain(Lbfgs(), parabola(np.eye(20), LOWEST), LOWEST).run(2) == LOWEST).all()


def test_has_these_defaults():
    part = Lbfgs()
    assert (part.lr, part.history, part.curvature, part.evaluations) == (1.0, 10, 0.9, 20)
    assert Lbfgs(history=2).slots == ("s_1", "s_2", "y_1", "y_2")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lr": 0.0}, "lr must be positive, got 0.0"),
        ({"history": 0}, "history must be at least 1, got 0"),
        ({"evaluations": 0}, "evaluations must be at least 1, got 0"),
        ({"curvature": 1.0}, "curvature must be in (0.0001, 1), got 1.0"),
    ],
)
def test_refuses_options_out_of_range(options, message):
    assert message_of(ValueError, lambda: Lbfgs(**options)) == message
