"""Newton's method with the whole Hessian: one step to the bottom of a parabola, down from a saddle."""

from __future__ import annotations

import numpy as np
import pytest

from dtrain_plugins.optimizers.newton import Newton
from tests.plugins.optimizers.valley import Plain, parabola, rosenbrock, saddle, spread
from tests.plugins.support import message_of

LOWEST = np.cos(np.arange(20.0))


@pytest.mark.parametrize("condition", [10.0, 1e6])
def test_one_step_finds_the_lowest_point_of_a_parabola(condition):
    problem = Plain(Newton(), parabola(spread(20, condition), LOWEST), np.zeros(20))
    assert problem.run(1)[1] == pytest.approx(LOWEST, rel=1e-8)
    assert problem.products == 20


def test_digits_double_near_a_minimum():
    values = Plain(Newton(), rosenbrock, (-1.2, 1.0)).run(30)
    off = np.abs(values - 1).max(axis=1)
    (near,) = np.nonzero(off < 0.05)
    assert off[near[0] + 4] < 1e-12
    assert (np.diff([rosenbrock(x)[0] for x in values]) <= 1e-15).all()


def test_goes_down_along_negative_curvature():
    """At (0.1, 0.1) Newton's own step is towards the saddle at 0."""
    problem = Plain(Newton(), saddle, (0.1, 0.1))
    values = problem.run(20)
    assert values[1][0] > 0.1
    assert values[-1] == pytest.approx([1, 0], abs=1e-9)


def test_a_flat_direction_counts_as_the_floor():
    problem = Plain(Newton(floor=0.5), parabola(np.diag([1.0, 1e-3]), np.zeros(2)), np.ones(2))
    assert problem.run(1)[1] == pytest.approx([0, 1 - 1e-3 / 0.5])


@pytest.mark.parametrize("hessian", [np.zeros((2, 2)), np.full((2, 2), np.inf)], ids=["flat", "infinite"])
def test_follows_the_gradient_where_the_hessian_says_nothing(hessian):
    problem = Plain(Newton(), lambda x: (x.sum(), np.ones(2), hessian), np.zeros(2))
    with np.errstate(invalid="ignore"):
        assert problem.run(1)[1] == pytest.approx([-1, -1])


def test_stays_at_the_minimum():
    assert (Plain(Newton(), parabola(np.eye(20), LOWEST), LOWEST).run(2) == LOWEST).all()


def test_takes_small_networks_alone():
    Newton().check(2000)
    assert message_of(ValueError, lambda: Newton().check(12345)) == (
        "expected at most 2,000 trained parameters, of which it makes the whole matrix of second derivatives, "
        "got 12,345; take newton_cg, which needs none"
    )


@pytest.mark.parametrize("option", ["lr", "floor"])
def test_refuses_options_out_of_range(option):
    assert message_of(ValueError, lambda: Newton(**{option: 0.0})) == f"{option} must be positive, got 0.0"


def test_has_these_defaults():
    assert (Newton().lr, Newton().floor, Newton().slots) == (1.0, 1e-7, ())
