"""Evaluation: every sample once, in any number of batches, with the same bits on any ranks."""

from __future__ import annotations

import numpy as np
import pytest

from dtrain.communicator import run_ranks
from dtrain.contracts import ArrayRows
from dtrain.data import Blocks
from dtrain.trainer.evaluate import evaluate
from dtrain_plugins.layers.batch_norm import BatchNorm
from dtrain_plugins.layers.dense import Dense
from dtrain_plugins.layers.dropout import Dropout
from dtrain_plugins.losses.softmax_cross_entropy import SoftmaxCrossEntropy
from dtrain_plugins.metrics.accuracy import Accuracy
from dtrain_plugins.optimizers.sgd import Sgd
from tests.support import MEMORY, RANKS, Job, classes, named, network


def figures_of(samples, batch_size=32, dtype="float32"):
    def body(communicator):
        net = network(named(Dense(5), BatchNorm(), Dropout(), Dense(3)), (6,), dtype)
        metrics = {"accuracy": Accuracy()}
        options = {"batch_size": batch_size, "metrics": metrics}
        job = Job(communicator, net, SoftmaxCrossEntropy(), Sgd(), classes(samples), **options)
        before = job.replica.digest()
        figures = evaluate(job.replica, job.figures, job.blocks)
        assert job.replica.digest() == before
        values = {p.name: p.value.astype(float) for p in net.parameters}
        return figures, values

    return body


def expected(samples, values):
    data = classes(samples)
    y = data.x.astype(float) @ values["layer_1.weight"] + values["layer_1.bias"]
    y = (y / np.sqrt(1 + 1e-5)) @ values["layer_4.weight"] + values["layer_4.bias"]
    losses = np.log(np.exp(y).sum(axis=1)) - y[np.arange(samples), data.y]
    return {"loss": losses.mean(), "accuracy": (y.argmax(axis=1) == data.y).mean()}


@MEMORY
@pytest.mark.parametrize("samples", [1, 3, 32, 97])
@pytest.mark.parametrize("ranks", RANKS)
def test_figures_are_those_of_all_samples_also_where_ranks_outnumber_them(ranks, samples, share_memory):
    ((one, values),) = run_ranks(1, figures_of(samples))
    truth = expected(samples, values)
    assert one["loss"] == pytest.approx(truth["loss"], rel=1e-5)
    assert one["accuracy"] == truth["accuracy"]
    for figures, _ in run_ranks(ranks, figures_of(samples), share_memory):
        assert figures == one


def test_the_size_of_the_batches_matters_only_within_rounding():
    found = [run_ranks(1, figures_of(97, size, "float64"))[0][0] for size in (1, 10, 96, 97, 500)]
    for figures in found[1:]:
        assert figures["loss"] == pytest.approx(found[0]["loss"], rel=1e-12)
        assert figures["accuracy"] == found[0]["accuracy"]


def test_a_padded_last_batch_would_give_another_loss():
    """The negative control: rows repeated until the last batch is full."""
    ((figures, _),) = run_ranks(1, figures_of(97))
    data = classes(97)
    padded = ArrayRows(np.resize(data.x, (128, 6)), np.resize(data.y, 128))

    def body(communicator):
        net = network(named(Dense(5), BatchNorm(), Dropout(), Dense(3)), (6,))
        job = Job(communicator, net, SoftmaxCrossEntropy(), Sgd(), data, batch_size=32)
        return evaluate(job.replica, job.figures, Blocks(padded, 32, 8, 0, 8, "float32"))

    assert run_ranks(1, body)[0]["loss"] != pytest.approx(figures["loss"], rel=1e-3)
