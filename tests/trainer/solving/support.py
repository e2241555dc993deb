"""What the tests of solvers share: a solver that looks at its problem, and jobs with it."""

from __future__ import annotations

import numpy as np

from dtrain.communicator import SerialCommunicator, run_ranks
from dtrain.contracts import ArrayRows, Layer, Solver
from dtrain_plugins.activations.tanh import Tanh
from dtrain_plugins.layers.dense import Dense
from dtrain_plugins.losses.mse import Mse
from tests.support import Job, assert_same_bits, named, network

RANDOM = np.random.Generator(np.random.Philox(5))
X, T = RANDOM.standard_normal((13, 40)), RANDOM.standard_normal((13, 30))
CLASSES = RANDOM.integers(0, 3, 13)


class Look(Solver):
    """Does something with the problem; what that returns is the new value, or nothing moves."""

    lr = 1.0

    def __init__(self, do):
        self.do, self.seen = do, None

    def solve(self, problem):
        self.seen = self.do(problem)
        return problem.value


class Go(Look):
    def solve(self, problem):
        return self.do(problem)


def deep():
    return named(Dense(50), Tanh(), Dense(30))


def job_of(communicator, do, *, of=deep, loss=None, x=X, t=T, dtype="float64", solver=Look, **options):
    net = network(of(), x.shape[1:], dtype)
    data = ArrayRows(x.astype(dtype), t if t.dtype.kind == "i" else t.astype(dtype))
    return Job(communicator, net, loss or Mse(), solver(do), data, **{"batch_size": len(x), **options})


def looked(do, ranks=1, share_memory=True, **options):
    """What `do(problem)` returned on every rank; vectors whole."""

    def body(communicator):
        job = job_of(communicator, do, **options)
        assert job.train(1) == [True]
        found = job.update.optimizer.seen
        return [job.replica.gather(a) if isinstance(a, np.ndarray) else a for a in found]

    if ranks == 1:
        return body(SerialCommunicator())
    every = run_ranks(ranks, body, share_memory=share_memory)
    for other in every[1:]:
        for a, b in zip(every[0], other, strict=True):
            assert_same_bits(a, b)
    return every[0]


def ramp(problem):
    """A direction that is the same on any ranks, from the parameters alone."""
    return np.where(problem.gradient, np.cos(1e3 * problem.value), 0)


def everything(problem):
    """One of each: losses, gradients, products, a dot product, a norm."""
    v = ramp(problem)
    value = problem.value - 0.1 * problem.gradient
    loss, gradient = problem.loss_and_gradient(value)
    return [
        problem.loss, problem.gradient, loss, gradient, problem.loss_at(value), problem.hessian_product(v),
        problem.gauss_newton_product(v), problem.dot(v, gradient), problem.norm(v), problem.size, problem.step,
    ]  # fmt: skip


class Remembers(Layer):
    """Counts its training passes."""

    def build(self, shape, make):
        self.count = make.state("count", (1,))
        return shape

    def forward(self, x, context):
        if context.training:
            context.update(self.count, self.count.value + 1)
        return x, lambda dy: dy
