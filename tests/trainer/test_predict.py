"""Prediction: every sample once, in order, on every rank, with the same bits on any ranks."""

from __future__ import annotations

import numpy as np
import pytest

from dtrain.communicator import run_ranks
from dtrain.trainer.predict import predict
from dtrain_plugins.layers.batch_norm import BatchNorm
from dtrain_plugins.layers.dense import Dense
from dtrain_plugins.layers.dropout import Dropout
from dtrain_plugins.losses.softmax_cross_entropy import SoftmaxCrossEntropy
from dtrain_plugins.optimizers.sgd import Sgd
from tests.support import MEMORY, RANKS, Job, assert_other_bits, assert_same_bits, classes, named, network

X = np.random.default_rng(3).standard_normal((97, 6))


def predicted(x=X, batch_size=32, dtype="float32", epochs=1):
    def body(communicator):
        net = network(named(Dense(5), BatchNorm(), Dropout(), Dense(3)), (6,), dtype)
        loss = SoftmaxCrossEntropy()
        job = Job(communicator, net, loss, Sgd(), classes(70), batch_size=batch_size)
        job.train(epochs)
        before = job.replica.digest()
        y = predict(job.replica, loss, x, batch_size)
        assert job.replica.digest() == before
        states = {state.name: state.value.copy() for state in net.states}
        return y, {p.name: p.value.astype(float) for p in net.parameters} | states

    return body


@MEMORY
@pytest.mark.parametrize("rows", [1, 3, 97])
@pytest.mark.parametrize("ranks", RANKS)
def test_every_rank_has_the_bits_of_one_rank_alone_also_where_ranks_outnumber_the_rows(
    ranks, rows, share_memory
):
    ((one, _),) = run_ranks(1, predicted(X[:rows]))
    for y, _ in run_ranks(ranks, predicted(X[:rows]), share_memory):
        assert_same_bits(y, one)


def test_other_weights_give_other_predictions():
    """The control: what is compared above depends on the net at all."""
    assert_other_bits(run_ranks(1, predicted(epochs=2))[0][0], run_ranks(1, predicted())[0][0])


def test_they_are_the_probabilities_of_inference_in_the_order_of_x():
    ((y, values),) = run_ranks(1, predicted(dtype="float64"))
    z = X @ values["layer_1.weight"] + values["layer_1.bias"]
    z = (z - values["layer_2.mean"]) / np.sqrt(values["layer_2.variance"] + 1e-5)
    z = values["layer_2.gamma"] * z + values["layer_2.beta"]
    z = np.exp(z @ values["layer_4.weight"] + values["layer_4.bias"])
    assert y == pytest.approx(z / z.sum(axis=1, keepdims=True), rel=1e-9)


@pytest.mark.parametrize("shape", [(0, 6), (4, 5), (6,)])
def test_samples_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match="expected samples of shape") as caught:
        run_ranks(1, predicted(np.zeros(shape)))
    assert str(caught.value) == f"expected samples of shape (6,), one or more, got {shape}"
