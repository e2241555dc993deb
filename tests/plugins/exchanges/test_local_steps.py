"""Means of values, and outer steps from the last meeting, by the formula; solo runs between two meetings."""

from __future__ import annotations

import numpy as np
import pytest

from dtrain.communicator import SerialCommunicator, run_ranks
from dtrain.contracts import ArrayRows
from dtrain_plugins.activations.tanh import Tanh
from dtrain_plugins.exchanges.local_steps import LocalSteps
from dtrain_plugins.layers.batch_norm import BatchNorm
from dtrain_plugins.layers.dense import Dense
from dtrain_plugins.layers.dropout import Dropout
from dtrain_plugins.losses.softmax_cross_entropy import SoftmaxCrossEntropy
from dtrain_plugins.optimizers.momentum import Momentum
from tests.plugins.exchanges.support import meetings
from tests.support import (
    Drawn,
    Job,
    assert_other_bits,
    assert_same_bits,
    classes,
    named,
    network,
    refused,
    rough,
)

OUTER = [(1.0, 0.0, False), (0.5, 0.0, False), (0.7, 0.9, False), (0.7, 0.9, True)]


@pytest.mark.parametrize(("lr", "momentum", "nesterov"), OUTER)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_is_its_formula(ranks, dtype, lr, momentum, nesterov):
    start, moves = rough(1024, dtype=dtype), rough(4, ranks, 1024, seed=1, dtype=dtype)
    values, m = start.astype(float), 0.0
    found = meetings(lambda: LocalSteps(1, lr, momentum, nesterov), moves, start)
    for i, move in enumerate(moves):
        delta = -move.astype(float).mean(axis=0)
        m = momentum * m + delta
        values = values - lr * (delta + momentum * m if nesterov else m)
        for got, slots in found:
            off = np.abs(got[i] - values).max()
            assert off < (1e-5 if dtype == "float32" else 1e-12) * np.abs(values).max()
            assert set(slots) == ({"momentum"} if momentum else set())
            assert_same_bits(got, found[0][0])


def test_a_mean_is_rounded_once():
    start, moves = np.zeros(1024, np.float32), rough(1, 3, 1024)
    expected = (moves[0].astype(float).sum(axis=0) / 3).astype(np.float32)
    for got, _ in meetings(LocalSteps, moves, start):
        assert_same_bits(got[0], expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"interval": 0}, "interval must be at least 1, got 0"),
        ({"outer_lr": 0}, "outer_lr must be positive, got 0"),
        ({"outer_momentum": 1.0}, "outer_momentum must be in [0, 1), got 1.0"),
        ({"nesterov": True}, "nesterov needs an outer_momentum above 0, got 0"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with refused(ValueError, message):
        LocalSteps(**options)


# ---------------------------------------------------------------------- between two meetings


def job_of(communicator, rows, batch_size, shards, **options):
    layers = named(Dense(20, Drawn(), bias=False), BatchNorm(), Tanh(), Dense(3, Drawn()))
    return Job(
        communicator, network(layers, (6,)), SoftmaxCrossEntropy(), Momentum(lr=0.1), rows,
        batch_size=batch_size, shards=shards, **options,
    )  # fmt: skip


def left(job, steps=3):
    """Values, slots and states after some steps in the order of the samples."""
    for step in range(steps):
        assert job.step(job.batches.whole(step % job.batches.count), 0, step)
    states = [state.value.copy() for state in job.replica.network.states]
    return [job.replica.exchange.values.copy(), *(slot.copy() for slot in job.update.slots.values()), *states]


@pytest.mark.parametrize("parts", [1, 2])
@pytest.mark.parametrize("ranks", [2, 4])
def test_between_two_meetings_a_rank_is_a_job_of_its_own_on_its_own_rows(ranks, parts):
    """To the bit: parameters, slots, running statistics. Then values and statistics are the mean of these."""
    data, rows = classes(64), 32 // ranks // parts
    places = np.arange(64).reshape(2, parts, ranks, rows)  # batch, micro-batch, rank, row

    def rank(communicator):
        job = job_of(communicator, data, 32, 8, parts=parts, exchange=LocalSteps(3))
        before = left(job)
        job.replica.exchange.meet(job.replica.network.states)
        after = [job.replica.exchange.values.copy(), *(s.value.copy() for s in job.replica.network.states)]
        return before, after

    found = run_ranks(ranks, rank)
    alone = []
    for number in range(ranks):
        own = places[:, :, number].reshape(-1)
        solo = ArrayRows(data.x[own], data.y[own])
        alone.append(left(job_of(SerialCommunicator(), solo, 32 // ranks, 8 // ranks, parts=parts)))
    for (before, _), expected in zip(found, alone, strict=True):
        for a, b in zip(before, expected, strict=True):
            assert_same_bits(a, b)
    assert_other_bits(found[0][0][0], found[1][0][0])
    together = [[one[0], *one[2:]] for one in alone]
    for i, every in enumerate(zip(*together, strict=True)):
        mean = (np.sum(every, axis=0, dtype=float) / ranks).astype(every[0].dtype)
        for _, after in found:
            assert_same_bits(after[i], mean)


def test_a_rank_without_rows_keeps_its_running_statistics():
    def rank(communicator):
        job = job_of(communicator, classes(4), 4, 8, exchange=LocalSteps(5))
        before = [state.value.copy() for state in job.replica.network.states]
        after = left(job, 1)[2:]
        return job.replica.context.layout.rows, [
            a.tobytes() == b.tobytes() for a, b in zip(before, after, strict=True)
        ]

    found = run_ranks(4, rank)
    assert [rows for rows, _ in found] == [2, 2, 0, 0]
    assert [any(same) for _, same in found] == [False, False, True, True]
    assert all(found[3][1])


def test_frozen_parameters_stay_as_they_are():
    def rank(communicator):
        net = network(named(Dense(700, Drawn()), Dropout(0.5), Dense(3, Drawn())), (6,), "float64")
        net.parameters[0].trainable = False
        job = Job(
            communicator, net, SoftmaxCrossEntropy(), Momentum(lr=0.1), classes(30), batch_size=10,
            exchange=LocalSteps(2),
        )  # fmt: skip
        (frozen,) = [p for p in net.parameters if not p.trainable]
        before = frozen.value.copy()
        left(job)
        job.replica.exchange.meet([])
        return before, frozen.value.copy(), job.replica.digest()

    found = run_ranks(3, rank)
    for before, after, digest in found:
        assert_same_bits(after, before)
        assert digest == found[0][2]
