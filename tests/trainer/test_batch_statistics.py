"""What belongs to a batch belongs to each micro-batch of an accumulated one: statistics, and masks on weights."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from dtrain.communicator import run_ranks
from dtrain.contracts import ArrayRows
from dtrain.engine import shard_bounds
from dtrain_plugins.layers.batch_norm import BatchNorm
from dtrain_plugins.layers.dense import Dense
from dtrain_plugins.layers.drop_connect import DropConnect
from dtrain_plugins.losses.mse import Mse
from dtrain_plugins.optimizers.sgd import Sgd
from tests.support import Job, network

X = np.sort(np.random.default_rng(1).standard_normal((26, 3)), axis=0) * [1, 5, 0.1] + [0, 10, 0]
Y = np.zeros((26, 2))


def job_of(communicator, layers, parts):
    net = network(layers, (3,), "float64")
    return Job(communicator, net, Mse(), Sgd(lr=0.01), ArrayRows(X, Y), batch_size=13, parts=parts)


@pytest.mark.parametrize("group", [None, 2])
@pytest.mark.parametrize("parts", [1, 2])
@pytest.mark.parametrize("ranks", [1, 3])
def test_statistics_are_those_of_a_micro_batch(ranks, parts, group):
    norm = partial(BatchNorm, statistics="cumulative", group=group)

    def body(communicator):
        job = job_of(communicator, [("norm", norm()), ("out", Dense(2))], parts)
        job.train(1)
        order = job.batches.order(job.seed, 0)
        return order, {state.name: state.value for state in job.replica.network.states}

    order, states = run_ranks(ranks, body)[0]
    micro = [batch for whole in (order[:13], order[13:]) for batch in cut(whole, parts)]
    spread = [spread_of([X[rows] for rows in cut_in_groups(batch, group)]) for batch in micro]
    counts = [len(batch) for batch in micro]
    assert states["norm.count"] == 26
    np.testing.assert_allclose(states["norm.mean"], X.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(
        states["norm.variance"], np.average(spread, axis=0, weights=counts), rtol=1e-12
    )


def spread_of(pieces):
    """The mean of the variances of those pieces that have one, weighed by their rows."""
    several = [piece for piece in pieces if len(piece) > 1]
    return np.average(
        [piece.var(axis=0, ddof=1) for piece in several],
        axis=0,
        weights=[len(piece) for piece in several],
    )


def cut(batch, parts):
    return [batch[len(batch) * i // parts : len(batch) * (i + 1) // parts] for i in range(parts)]


def cut_in_groups(batch, group):
    if group is None:
        return [batch]
    bounds = shard_bounds(len(batch), 8)
    pieces = [batch[bounds[i] : bounds[i + group]] for i in range(0, 8, group)]
    return [piece for piece in pieces if len(piece)]


def test_a_mask_on_weights_is_drawn_for_each_micro_batch_once(monkeypatch):
    drawn = []
    original = DropConnect._mask

    def spy(self, parameter, x, context):
        mask = original(self, parameter, x, context)
        drawn.append((context.place, mask.tobytes()))
        return mask

    monkeypatch.setattr(DropConnect, "_mask", spy)

    def body(communicator):
        job = job_of(communicator, [("drop", DropConnect(8)), ("out", Dense(2))], 2)
        drawn.clear()  # what the trial pass drew
        job.train(2)

    run_ranks(1, body)
    assert [place for place, _ in drawn] == [0, 6, 13, 19] * 2
    assert len({mask for _, mask in drawn}) == 8
