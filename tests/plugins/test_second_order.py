"""What second order is for: fewer updates than gradient descent at its best rate, and SciPy's minimum."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.datasets import load_digits

from dtrain.communicator import SerialCommunicator, run_ranks
from dtrain.contracts import ArrayRows, Solver
from dtrain.trainer.update import Penalty
from dtrain_plugins.activations.sigmoid import Sigmoid
from dtrain_plugins.activations.tanh import Tanh
from dtrain_plugins.layers.dense import Dense
from dtrain_plugins.losses.mse import Mse
from dtrain_plugins.losses.softmax_cross_entropy import SoftmaxCrossEntropy
from dtrain_plugins.optimizers.lbfgs import Lbfgs
from dtrain_plugins.optimizers.newton import Newton
from dtrain_plugins.optimizers.newton_cg import NewtonCg
from dtrain_plugins.optimizers.sgd import Sgd
from dtrain_plugins.regularizers.l2 import L2
from tests.support import Job, named, network

DIGITS = load_digits()
FEW = DIGITS.data[:150] / 16
RANDOM = np.random.Generator(np.random.Philox(3))
SPREAD = RANDOM.standard_normal((100, 20)) * np.logspace(-2.5, 0, 20)
STRAIGHT = SPREAD @ RANDOM.standard_normal((20, 1)) * 30

TASKS = {
    "linear, condition 1e5": (lambda: named(Dense(1)), SPREAD, STRAIGHT, 0.05),
    "autoencoder": (
        lambda: named(Dense(16, activation=Tanh()), Dense(64, activation=Sigmoid())),
        FEW,
        FEW,
        0.4,
    ),
}


def losses(layers, x, t, optimizer, steps):
    """The loss at the beginning of each step, and one after the last; and the step itself."""
    job = Job(
        SerialCommunicator(), network(layers(), x.shape[1:], np.float64), Mse(), optimizer, ArrayRows(x, t),
        batch_size=len(x),
    )  # fmt: skip
    found = []
    with np.errstate(all="ignore"):
        for _ in range(steps + 1):
            job.train(1)
            found.append(job.step.sums[0] / job.step.sums[1])
    return np.array(found), job.step


@pytest.mark.parametrize(("layers", "x", "t", "rate"), TASKS.values(), ids=TASKS)
def test_a_tenth_of_the_updates_of_gradient_descent_at_its_best_rate_will_do(layers, x, t, rate):
    updates = 100
    every = [losses(layers, x, t, Sgd(lr=rate * 2**k), updates)[0] for k in range(10)]
    least = [np.nanmin(run) for run in every]
    assert 0 < np.argmin(least) < 9  # the best rate is within the ten
    found, _ = losses(layers, x, t, NewtonCg(damping=1e-3), updates // 10)
    assert found[-1] <= min(least)


class Start(Solver):
    """Looks at the problem, and moves nothing."""

    lr = 1.0

    def solve(self, problem):
        self.seen = self.look(problem)
        return problem.value


def logistic(communicator, optimizer):
    """A softmax regression of 300 digits with an l2 penalty: one minimum."""
    return Job(
        communicator, network(named(Dense(10)), (64,), np.float64), SoftmaxCrossEntropy(), optimizer,
        ArrayRows(DIGITS.data[:300] / 16, DIGITS.target[:300]), batch_size=300,
        penalties=lambda net: [Penalty(L2(5e-2), net.parameters[:1])],
    )  # fmt: skip


def scipys(problem):
    def function(whole):
        loss, gradient = problem.loss_and_gradient(problem.scatter(whole))
        return loss, problem.gather(gradient)

    options = {"maxcor": 10, "ftol": 0, "gtol": 1e-10, "maxiter": 1000}
    return minimize(function, problem.gather(problem.value), jac=True, method="L-BFGS-B", options=options)


@pytest.fixture(scope="module")
def theirs():
    start = Start()
    start.look = scipys
    logistic(SerialCommunicator(), start).train(1)
    return start.seen


def test_lbfgs_and_newton_cg_find_scipy_s_minimum(theirs):
    """Up to what the loss does not see: a number added to all biases."""

    def ours(communicator, optimizer, steps):
        job = logistic(communicator, optimizer)
        found = []
        for _ in range(steps):
            job.train(1)
            found.append(job.step.seen.loss)
        job.train(1)
        return job.step.seen.gather(job.step.seen.value), found

    w, found = run_ranks(2, lambda c: ours(c, Lbfgs(), int(1.3 * theirs.nit)))[0]
    assert theirs.nit > 10
    assert np.abs(w[:640] - theirs.x[:640]).max() <= 1e-6
    assert found[-1] == pytest.approx(theirs.fun, abs=1e-12)
    w, found = ours(SerialCommunicator(), NewtonCg(damping=1e-3, cg_tolerance=1e-6), 12)
    assert np.abs(w[:640] - theirs.x[:640]).max() <= 1e-6


def test_newton_finds_the_least_squares_in_one_step():
    found, step = losses(lambda: named(Dense(1)), SPREAD, STRAIGHT, Newton(floor=1e-12), 1)
    ones = np.column_stack([SPREAD, np.ones(len(SPREAD))])
    expected, *_ = np.linalg.lstsq(ones, STRAIGHT[:, 0], rcond=None)
    assert step.seen.gather(step.seen.value) == pytest.approx(expected, rel=1e-6, abs=1e-6)
    assert found[0] > 1 > 1e-12 > found[1]
