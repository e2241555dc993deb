"""All that a problem gives belongs to one function: that of the step."""

from __future__ import annotations

import numpy as np
import pytest

from dtrain.communicator import SerialCommunicator, run_ranks
from dtrain.contracts import Layer
from dtrain.trainer.update import Penalty
from dtrain_plugins.activations.tanh import Tanh
from dtrain_plugins.layers.dense import Dense
from dtrain_plugins.layers.dropout import Dropout
from dtrain_plugins.regularizers.l2 import L2
from tests.support import assert_same_bits, named
from tests.trainer.solving.support import Go, Remembers, everything, job_of, looked, ramp


def test_micro_batches_add_up():
    whole, parts = looked(everything), looked(everything, parts=3)
    for a, b in zip(whole, parts, strict=True):
        assert np.abs(np.asarray(a) - b).max() <= 1e-12 * np.abs(a).max()


def test_loss_and_products_hold_the_penalties():
    """Against the same without: weight·Σw², 2·weight·w, 2·weight·v on weights."""

    def do(problem):
        v = ramp(problem)
        loss, gradient = problem.loss_and_gradient(2 * problem.value)
        return [
            problem.loss, loss, problem.loss_at(2 * problem.value), problem.gradient, gradient,
            problem.hessian_product(v), problem.gauss_newton_product(v), problem.value, v,
        ]  # fmt: skip

    def penalties(net):
        return [Penalty(L2(0.5), [p for p in net.parameters if p.role == "weight"])]

    plain, both = looked(do), looked(do, penalties=penalties)
    weights = 40 * 50 + 50 * 30
    w, v = (np.where(np.arange(len(a)) < weights, a, 0) for a in plain[-2:])
    square = 0.5 * (w @ w)
    added = [square, 4 * square, 4 * square, w, 2 * w, v, v]
    for before, after, more in zip(plain, both, added, strict=False):
        assert np.abs(np.asarray(after) - before - more).max() <= 1e-12 * np.abs(after).max()


def test_dropout_draws_the_same_numbers_throughout_a_step_and_others_in_the_next():
    seen = []

    def do(problem):
        gradient = problem.loss_and_gradient(problem.value)[1]
        seen.append((problem.loss, problem.loss_at(problem.value)))
        assert_same_bits(gradient, problem.gradient)
        h = 1e-4
        v = ramp(problem)
        left, right = (problem.loss_and_gradient(problem.value + s * h * v)[1] for s in (-1, 1))
        expected = (right - left) / (2 * h)
        assert np.abs(problem.hessian_product(v) - expected).max() <= 1e-6 * np.abs(expected).max()

    job_of(SerialCommunicator(), do, of=lambda: named(Dense(50), Tanh(), Dropout(0.5), Dense(30))).train(2)
    (a, again), (b, _) = seen
    assert a == again
    assert a != b


def test_running_statistics_move_once_a_step():
    seen = []

    def do(problem):
        problem.loss_at(problem.value)
        problem.loss_and_gradient(problem.value)
        problem.hessian_product(problem.gradient)
        seen.append(float(state.value[0]))

    job = job_of(SerialCommunicator(), do, of=lambda: named(Dense(5), Remembers(), Dense(30)), parts=2)
    (state,) = job.replica.network.states
    job.train(2)
    assert seen == [0.0, 2.0]  # a micro-batch each
    assert float(state.value[0]) == 4.0


class Held(Layer):
    """y = w·x with a w that is not trained."""

    def build(self, shape, make):
        self.w = make.parameter("w", shape, "drawn", trainable=False)
        return shape

    def forward(self, x, context):
        def backward(dy):
            context.gradient(self.w, lambda rows, out: np.sum(x[rows] * dy[rows], axis=0, out=out))
            return dy * self.w.value

        return x * self.w.value, backward


@pytest.mark.parametrize("ranks", [1, 3])
def test_what_is_not_trained_never_moves(ranks):
    def body(communicator):
        job = job_of(
            communicator, lambda p: p.value + 1, of=lambda: named(Dense(50), Held(), Dense(30)), solver=Go
        )
        before = {p.name: p.value.copy() for p in job.replica.network.parameters}
        communicator.barrier()
        assert job.train(1) == [True]
        moved = {p.name: p.value - before[p.name] for p in job.replica.network.parameters}
        size = job.step.seen.size
        return moved, size

    moved, size = (run_ranks(ranks, body) if ranks > 1 else [body(SerialCommunicator())])[0]
    assert size == 40 * 50 + 50 + 50 * 30 + 30
    for name, by in moved.items():
        assert by == pytest.approx(np.full(by.shape, 0.0 if name == "layer_2.w" else 1.0))


def test_work_is_counted_in_gradients():
    def do(problem):
        problem.loss_at(problem.value)
        problem.loss_and_gradient(problem.value)

    job = job_of(SerialCommunicator(), do)
    job.train(2)
    assert job.step.seen.work == pytest.approx(2 * (1 + 1 / 3 + 1))
    job.update.optimizer.do = lambda problem: problem.gauss_newton_product(problem.gradient)
    job.train(2)
    assert job.step.seen.work == pytest.approx(
        2 * (1 + 1 / 3 + 1) + 2 * (1 + 4) + 2 * 4
    )  # the first: checked
