"""The classical models, made of these parts and trained, against independent solvers; on one rank and on three."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, PoissonRegressor

from dtrain.communicator import run_ranks
from dtrain.contracts import ArrayRows
from dtrain_plugins.activations.exp import Exp
from dtrain_plugins.activations.sigmoid import Sigmoid
from dtrain_plugins.activations.sign import Sign
from dtrain_plugins.activations.softmax import Softmax
from dtrain_plugins.activations.tanh_probability import TanhProbability
from dtrain_plugins.layers.dense import Dense
from dtrain_plugins.losses.binary_cross_entropy import BinaryCrossEntropy
from dtrain_plugins.losses.cross_entropy import CrossEntropy
from dtrain_plugins.losses.mse import Mse
from dtrain_plugins.losses.perceptron import Perceptron
from dtrain_plugins.losses.poisson import Poisson
from dtrain_plugins.losses.softmax_cross_entropy import SoftmaxCrossEntropy
from dtrain_plugins.optimizers.momentum import Momentum
from dtrain_plugins.optimizers.sgd import Sgd
from tests.support import Job, named, network

X = np.random.Generator(np.random.Philox(31)).standard_normal((101, 3))
SCORE = X @ [1.0, -0.5, 0.25] + 0.3


def random():
    return np.random.Generator(np.random.Philox(32))


on_ranks = pytest.mark.parametrize("ranks", [1, 3])


def fitted(layers, loss, y, ranks, x=X, epochs=800, optimizer=None, batch_size=101):
    """The weight and bias after full-batch training from zero weights."""

    def job(communicator):
        net = network(named(*layers()), (3,), np.float64)
        run = Job(
            communicator, net, loss, optimizer or Momentum(lr=0.3), ArrayRows(x, y), batch_size=batch_size
        )
        assert all(run.train(epochs))
        return [p.value.copy() for p in net.parameters]

    return run_ranks(ranks, job)[0]


def unit(*after, units=1):
    return lambda: [Dense(units, initializer="zeros"), *after]


@on_ranks
def test_linear_regression_agrees_with_least_squares(ranks):
    y = SCORE + random().standard_normal(101)
    solution = np.linalg.lstsq(np.column_stack([X, np.ones(101)]), y, rcond=None)[0]
    weight, bias = fitted(unit(), Mse(), y, ranks, optimizer=Momentum(lr=0.05))
    assert [*weight[:, 0], *bias] == pytest.approx(solution, rel=1e-9)


@on_ranks
@pytest.mark.parametrize(
    ("layers", "loss", "factor"),
    [
        (unit(Sigmoid()), BinaryCrossEntropy(), 1),
        (unit(), BinaryCrossEntropy(from_logits=True), 1),
        (unit(TanhProbability()), BinaryCrossEntropy(), 2),
    ],
    ids=["sigmoid", "logits", "tanh_probability"],
)
def test_logistic_regression_agrees_with_scikit_learn(layers, loss, factor, ranks):
    y = (random().uniform(size=101) < 1 / (1 + np.exp(-SCORE))).astype(np.int64)
    solver = LogisticRegression(C=np.inf, tol=1e-12, solver="newton-cholesky").fit(X, y)
    weight, bias = fitted(layers, loss, y, ranks)
    assert factor * weight[:, 0] == pytest.approx(solver.coef_[0], rel=1e-6)
    assert factor * bias == pytest.approx(solver.intercept_, rel=1e-6)


@on_ranks
@pytest.mark.parametrize(
    ("layers", "loss"),
    [(unit(Exp()), Poisson()), (unit(), Poisson(log_rates=True))],
    ids=["exp", "log_rates"],
)
def test_poisson_regression_agrees_with_scikit_learn(layers, loss, ranks):
    y = random().poisson(np.exp(SCORE))
    solver = PoissonRegressor(alpha=0, tol=1e-12, solver="newton-cholesky").fit(X, y)
    weight, bias = fitted(layers, loss, y, ranks, optimizer=Momentum(lr=0.03))
    assert weight[:, 0] == pytest.approx(solver.coef_, rel=1e-6)
    assert bias == pytest.approx([solver.intercept_], rel=1e-6)


@on_ranks
@pytest.mark.parametrize(
    ("layers", "loss"),
    [(unit(Softmax(), units=3), CrossEntropy()), (unit(units=3), SoftmaxCrossEntropy())],
    ids=["softmax", "fused"],
)
def test_softmax_regression_agrees_with_scikit_learn(layers, loss, ranks):
    """In its probabilities: scores are free by a constant, which neither changes."""
    y = np.argmax(np.column_stack([SCORE, -SCORE, X[:, 1]]) + random().gumbel(size=(101, 3)), axis=1)
    solver = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(X, y)
    weight, bias = fitted(layers, loss, y, ranks)
    p = np.exp(X @ weight + bias)
    p /= p.sum(axis=1, keepdims=True)
    assert p == pytest.approx(solver.predict_proba(X), abs=1e-4)


@on_ranks
@pytest.mark.parametrize("layers", [unit(), unit(Sign())], ids=["linear", "sign"])
def test_the_perceptron_separates_what_can_be_separated(layers, ranks):
    """One row a step, as Rosenblatt has it, from zero weights."""
    y = np.where(SCORE > 0, 1, -1)
    x = X + 0.1 * y[:, None] * [1.0, -0.5, 0.25]  # a margin
    weight, bias = fitted(layers, Perceptron(), y, ranks, x=x, epochs=40, optimizer=Sgd(lr=1.0), batch_size=1)
    assert (Perceptron().predict(x @ weight + bias)[:, 0] == y).all()
