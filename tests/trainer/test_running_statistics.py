"""Running statistics where batches, micro-batches or groups have one row, against plain references."""

from __future__ import annotations

import numpy as np
import pytest

from dtrain.communicator import run_ranks
from dtrain.contracts import ArrayRows
from dtrain.data import Batches
from dtrain.engine import Replica, learn, rank_ranges
from tests.plugins.support import built
from tests.support import Job, assert_same_bits, network
from tests.trainer.normalizations import CASES, NORMS, RANKS, SHAPES, fits, ids, made, network_of

# ---------------------------------------------------------------------- running statistics


def spread_of(name, rows):
    """The unbiased variance of each feature, of all numbers together, or the covariance. rows: (n, d)."""
    if name == "whiten_batch":
        return np.cov(rows.T, ddof=1).reshape(rows.shape[1], rows.shape[1])
    return rows.var(axis=0, ddof=1)


def table(name, x):
    """x as (values, features), in the sense of the part's statistics."""
    return x.reshape(-1, 1) if name == "scalar_norm" else x.reshape(-1, x.shape[-1])


def of_micro_batch(name, pieces):
    """(values, mean, unbiased spread) of a micro-batch in groups; None where no group has two values."""
    tables = [table(name, piece) for piece in pieces if len(piece)]
    several = [rows for rows in tables if len(rows) > 1]
    if not several:
        return None
    everything = np.concatenate(tables)
    spread = sum(len(rows) * spread_of(name, rows) for rows in several) / sum(map(len, several))
    return len(everything), everything.mean(axis=0), spread


def running(name, options, micro_batches, d):
    """The running mean and spread after these micro-batches, each a list of groups."""
    seen = [found for pieces in micro_batches if (found := of_micro_batch(name, pieces)) is not None]
    if options.get("statistics") == "cumulative":
        seen = seen[-options.get("window", len(seen)) :]
        total = sum(count for count, _, _ in seen)
        return tuple(sum(one[0] * one[i] for one in seen) / total for i in (1, 2))
    width = 1 if name == "scalar_norm" else d
    mean, spread = np.zeros(width), np.eye(d) if name == "whiten_batch" else np.ones(width)
    for _, batch_mean, batch_spread in seen:
        mean = 0.9 * mean + 0.1 * batch_mean
        spread = 0.9 * spread + 0.1 * batch_spread
    return mean, spread


RUNNING = ("batch_norm", "scalar_norm", "whiten_batch")
RUNS = {
    "even": {"samples": 24, "batch_size": 8},
    "a batch of one row": {"samples": 6, "batch_size": 1},
    "micro-batches of one row": {"samples": 16, "batch_size": 8, "parts": 8},
    "uneven micro-batches": {"samples": 20, "batch_size": 5, "parts": 3},
    "groups of one row": {"samples": 16, "batch_size": 8, "group": 1},
    "uneven groups": {"samples": 26, "batch_size": 13, "group": 1},
    "a last batch of one row": {"samples": 25, "batch_size": 8},
    "a last micro-batch of one row": {"samples": 19, "batch_size": 16, "parts": 2},
    "a last group of one row": {"samples": 30, "batch_size": 27, "group": 2},
}
BATCH_NORMS = [
    (name, options, shape, run, order)
    for name, options, shape in CASES
    if name in RUNNING and options.get("statistics") != "exact" and not {"group", "scale"} & {*options}
    for run in RUNS
    for order in ("shuffled", "replacement")
    if shape in [(1,), (4,), (3, 1)] and (name == "batch_norm" or "group" not in RUNS[run])
]


def cuts_of(order, batch_size, parts, group, shards=8):
    """Every micro-batch of an epoch as a list of groups of samples."""
    for start in range(0, len(order), batch_size):
        batch = order[start : start + batch_size]
        for i in range(parts):
            micro = batch[len(batch) * i // parts : len(batch) * (i + 1) // parts]
            if not len(micro):
                continue
            pieces = np.array_split(micro, shards)
            yield [
                np.concatenate(pieces[k : k + (group or shards)]) for k in range(0, shards, group or shards)
            ]


def test_every_normalization_with_a_state_has_a_reference():
    with_states = set()
    for name, options in NORMS:
        net = network_of(made(name, options), next(s for s in SHAPES if fits(name, options, s)))
        if net.states and made(name, options).fits != "start":
            with_states.add(name)
    assert with_states == set(RUNNING)


def train(communicator, name, options, x, batch_size, parts, replacement=False):
    """The states after two epochs, and the micro-batches' orders."""
    layers = [
        ("norm", made(name, options)), ("flat", built("layers", "flatten", {})),
        ("out", built("layers", "dense", {"units": 1})),
    ]  # fmt: skip
    job = Job(
        communicator, network(layers, x.shape[1:], "float64"), built("losses", "mse", {}),
        built("optimizers", "sgd", {"lr": 1e-3}), ArrayRows(x, np.ones((len(x), 1))),
        batch_size=batch_size, parts=parts,
    )  # fmt: skip
    job.batches._replacement = replacement
    job.train(2)
    orders = [job.batches.order(job.seed, epoch) for epoch in range(2)]
    return {state.name: state.value for state in job.replica.network.states}, orders


@pytest.mark.parametrize("case", BATCH_NORMS, ids=ids(BATCH_NORMS))
def test_running_statistics_are_those_of_what_has_a_variance(case):
    name, options, shape, run, order = case
    run = {"parts": 1, **RUNS[run]}
    samples, group = run.pop("samples"), run.pop("group", None)
    if group is not None:
        options = {**options, "group": group}
    x = np.random.Generator(np.random.Philox(samples)).standard_normal((samples, *shape)) * 3 + 5
    found = [
        run_ranks(ranks, lambda c: train(c, name, options, x, **run, replacement=order == "replacement"))
        for ranks in RANKS
    ]
    states, orders = found[0][0]
    for other, _ in (rank for ranks in found for rank in ranks):
        for key, value in states.items():
            assert_same_bits(other[key], value)
    micro = [[x[i] for i in pieces] for order in orders for pieces in cuts_of(order, group=group, **run)]
    values = [states["norm.mean"], states[f"norm.{'covariance' if name == 'whiten_batch' else 'variance'}"]]
    if all(of_micro_batch(name, pieces) is None for pieces in micro):
        assert not values[0].any()
        assert_same_bits(values[1], np.eye(shape[-1]) if name == "whiten_batch" else np.ones_like(values[1]))
        return
    for value, expected in zip(values, running(name, options, micro, shape[-1]), strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-11)


@pytest.mark.parametrize("ranks", RANKS)
def test_exact_and_fitted_statistics_are_of_all_samples_though_the_last_batch_has_one(ranks):
    x = np.random.Generator(np.random.Philox(3)).standard_normal((17, 4)) * 3 + 5

    def fitted(communicator, name, options, moment):
        net = network([("norm", made(name, options))], (4,), "float64")
        replica = Replica(net, communicator, 8, 0)
        replica.initialize()
        batches = Batches(ArrayRows(x, None), 8, 8, replica.first, replica.last, "float64")
        learn(replica, batches, moment)
        return {state.name: state.value for state in net.states}

    exact = run_ranks(ranks, lambda c: fitted(c, "batch_norm", {"statistics": "exact"}, "end"))[0]
    np.testing.assert_allclose(exact["norm.variance"], x.var(axis=0, ddof=1), rtol=1e-12)
    np.testing.assert_allclose(exact["norm.mean"], x.mean(axis=0), rtol=1e-12)
    standard = run_ranks(ranks, lambda c: fitted(c, "standardize", {}, "start"))[0]
    np.testing.assert_allclose(standard["norm.std"], x.std(axis=0), rtol=1e-12)
    white = run_ranks(ranks, lambda c: fitted(c, "whiten", {"epsilon": 1e-12}, "start"))[0]
    y = (x - white["norm.mean"]) @ white["norm.matrix"]
    np.testing.assert_allclose(np.cov(y.T, ddof=0), np.eye(4), atol=1e-9)


def test_a_rank_that_trains_alone_keeps_its_statistics_after_one_row():
    """Statistics are a rank's own, and their mean at a meeting."""
    x = np.random.Generator(np.random.Philox(3)).standard_normal((10, 4)) * 3 + 5

    def body(communicator):
        net = network(
            [("norm", made("batch_norm", {})), ("out", built("layers", "dense", {"units": 1}))], (4,), "f8"
        )
        exchange = built("exchanges", "local_steps", {"interval": 100})
        job = Job(
            communicator, net, built("losses", "mse", {}), built("optimizers", "sgd", {"lr": 1e-3}),
            ArrayRows(x, np.ones((10, 1))), batch_size=7, exchange=exchange,
        )  # fmt: skip
        job.train(1)
        order = job.batches.order(job.seed, 0)
        return order, {state.name: state.value for state in net.states}

    ranges = rank_ranges(8, 2)
    for (first, last), (order, states) in zip(ranges, run_ranks(2, body), strict=True):
        batches = [np.array_split(batch, 8)[first:last] for batch in (order[:7], order[7:])]
        micro = [[x[np.concatenate(batch)]] for batch in batches]
        mean, variance = running("batch_norm", {}, micro, 4)
        np.testing.assert_allclose(states["norm.mean"], mean, rtol=1e-12)
        np.testing.assert_allclose(states["norm.variance"], variance, rtol=1e-12)
