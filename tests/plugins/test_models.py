"""The classical models, made of these parts and trained, against independent solvers; on one rank and on three."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression, PoissonRegressor

from dtrain.communicator import run_ranks
from dtrain.contracts import ArrayRows
from dtrain.data import Batches
from dtrain.engine import Replica
from dtrain.trainer.evaluate import evaluate
from dtrain_plugins.activations.exp import Exp
from dtrain_plugins.activations.sigmoid import Sigmoid
from dtrain_plugins.activations.sign import Sign
from dtrain_plugins.activations.softmax import Softmax
from dtrain_plugins.activations.step import Step
from dtrain_plugins.activations.tanh import Tanh
from dtrain_plugins.activations.tanh_probability import TanhProbability
from dtrain_plugins.layers.conv2d import Conv2d
from dtrain_plugins.layers.conv2d_transpose import Conv2dTranspose
from dtrain_plugins.layers.dense import Dense
from dtrain_plugins.layers.upsample2d import Upsample2d
from dtrain_plugins.losses.binary_cross_entropy import BinaryCrossEntropy
from dtrain_plugins.losses.cross_entropy import CrossEntropy
from dtrain_plugins.losses.mse import Mse
from dtrain_plugins.losses.perceptron import Perceptron
from dtrain_plugins.losses.poisson import Poisson
from dtrain_plugins.losses.softmax_cross_entropy import SoftmaxCrossEntropy
from dtrain_plugins.metrics.accuracy import Accuracy
from dtrain_plugins.optimizers.momentum import Momentum
from dtrain_plugins.optimizers.sgd import Sgd
from tests.plugins.support import check
from tests.support import Job, Sum, named, network

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


GATES = {"and": 0b1000, "or": 0b1110, "nand": 0b0111}
INPUTS = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]])


def outputs(layers, values, x, ranks=3):
    """What a net with these parameters gives, over all ranks."""

    def job(communicator):
        net = network(layers(), x.shape[1:], np.float64)
        replica = Replica(net, communicator, 8, 0)
        replica.initialize()
        if replica.writes_values():
            for parameter in net.parameters:
                parameter.value[...] = values[parameter.name]
        communicator.barrier()
        batch = next(Batches(ArrayRows(x), len(x), 8, replica.first, replica.last, np.float64).cut(0))
        replica.context.begin(batch.layout, training=False, step=0, epoch=0, place=0)
        return net.forward(batch.x, replica.context)[0].copy()

    return np.concatenate(run_ranks(ranks, job))


@pytest.mark.parametrize(
    ("gate", "weights", "bias"),
    [("and", [1, 1], -2), ("or", [1, 1], -1), ("nand", [-1, -1], 1)],
)  # fmt: skip
def test_a_threshold_neuron_is_a_gate(gate, weights, bias):
    """McCulloch and Pitts: it fires where the sum reaches the threshold, minus the bias, and gives 0 or 1."""
    values = {"neuron.weight": np.array(weights)[:, None], "neuron.bias": bias}
    y = outputs(lambda: [("neuron", Dense(1)), ("step", Step())], values, INPUTS)
    assert y[:, 0].tolist() == [GATES[gate] >> i & 1 for i in range(4)]


def reading(layer, *inputs):
    layer.inputs = inputs
    return layer


def test_a_graph_of_threshold_neurons_computes_what_one_cannot():
    """Exclusive or: two neurons read the input, and a third the sum of both, the second turned round."""

    def layers():
        return [
            ("or", reading(Dense(1), "input")),
            ("fired_or", Step()),
            ("and", reading(Dense(1), "input")),
            ("fired_and", Step()),
            ("inhibits", Dense(1, bias=False)),
            ("both", Sum("fired_or", "inhibits")),
            ("neuron", Dense(1)),
            ("fired", Step()),
        ]

    ones = np.ones((2, 1))
    values = {
        "or.weight": ones, "or.bias": -1, "and.weight": ones, "and.bias": -2,
        "inhibits.weight": -1, "neuron.weight": 1, "neuron.bias": -1,
    }  # fmt: skip
    assert outputs(layers, values, INPUTS)[:, 0].tolist() == [0, 1, 1, 0]


def pixels(count=40):
    """Noisy images of a bright rectangle, and for every pixel whether it is inside."""
    y = np.zeros((count, 8, 8), np.int64)
    for image, corner in zip(y, random().integers(0, 4, (count, 2)), strict=True):
        image[corner[0] : corner[0] + 5, corner[1] : corner[1] + 4] = 1
    return (y + random().normal(0, 0.1, y.shape))[..., None].astype(np.float32), y


@pytest.mark.parametrize(
    "upwards",
    [
        lambda: [Conv2dTranspose(2, 2, 2, "same", initializer="drawn")],
        lambda: [Upsample2d(2), Conv2d(2, 3, padding="same", initializer="drawn")],
    ],
    ids=["conv2d_transpose", "upsample2d"],
)
@pytest.mark.parametrize("loss", [{}, {"class_weights": [1.0, 1.5]}], ids=str)
def test_a_net_answers_for_every_pixel(upwards, loss):
    """Down by a convolution of stride 2, and up again: a class for each pixel, the same bits on any ranks."""
    x, y = pixels()

    def job(communicator):
        down = Conv2d(12, 2, 2, "same", initializer="drawn")
        net = network(named(down, Tanh(), *upwards()), (8, 8, 1), np.float32)
        made = SoftmaxCrossEntropy(**loss)
        check(made, y, net.shape)
        run = Job(communicator, net, made, Momentum(lr=2e-3), ArrayRows(x, y), batch_size=20,
                  metrics={"accuracy": Accuracy()})  # fmt: skip
        assert all(run.train(60))
        return run.replica.digest(), evaluate(run.replica, run.figures, run.blocks)

    (digest, figures), *_ = run_ranks(1, job)
    assert run_ranks(3, job) == [(digest, figures)] * 3
    share = float(np.mean(y))
    assert figures["accuracy"] > 0.95 > max(share, 1 - share)


def test_an_autoencoder_finds_the_principal_components_and_its_encoder_serves_alone():
    """A linear one, of x on x: the error of PCA, and codes in its plane; then the encoder as a net of its own."""
    x = random().standard_normal((60, 4)) @ np.diag([3.0, 2.0, 0.3, 0.2])
    x -= x.mean(axis=0)

    def job(communicator):
        layers = [("encoder", Dense(2, "drawn", bias=False)), ("decoder", Dense(4, "drawn", bias=False))]
        run = Job(communicator, network(layers, (4,), np.float64), Mse(), Momentum(lr=0.02), ArrayRows(x, x),
                  batch_size=60)  # fmt: skip
        assert all(run.train(1000))
        loss = evaluate(run.replica, run.figures, run.blocks)["loss"]
        return {p.name: p.value.copy() for p in run.replica.network.parameters}, loss

    values, loss = run_ranks(3, job)[0]
    pca = PCA(2).fit(x)
    assert loss == pytest.approx(((x - pca.inverse_transform(pca.transform(x))) ** 2).mean(), rel=1e-4)
    codes = outputs(lambda: [("encoder", Dense(2, bias=False))], values, x)
    scores = pca.transform(x)
    assert scores @ np.linalg.lstsq(scores, codes, rcond=None)[0] == pytest.approx(codes, abs=1e-2)
