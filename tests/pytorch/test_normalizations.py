"""Normalizations against PyTorch's, batch norm with its running statistics over uneven shards on three ranks."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from tests.plugins.support import built, distance
from tests.pytorch.support import BOUNDS, compare, dtypes, first, last, numbers, torch

F = torch.nn.functional
GAMMA, BETA = numbers(6, seed=2), numbers(6, seed=3)
BOTH = {"gamma": GAMMA, "beta": BETA}

TABLE = [
    ("layer_norm", {}, lambda x, gamma, beta: F.layer_norm(x, (6,), gamma, beta)),
    ("layer_norm", {"epsilon": 0.1}, lambda x, gamma, beta: F.layer_norm(x, (6,), gamma, beta, eps=0.1)),
    ("group_norm", {"groups": 1}, lambda x, gamma, beta: last(F.group_norm(first(x), 1, gamma, beta))),
    ("group_norm", {"groups": 2}, lambda x, gamma, beta: last(F.group_norm(first(x), 2, gamma, beta))),
    ("rms_norm", {}, lambda x, gamma: F.rms_norm(x, (6,), gamma, eps=1e-5)),
]
SHAPES = [(6,), (5, 6), (3, 2, 6)]


@pytest.mark.parametrize(("name", "options", "theirs"), TABLE, ids=lambda value: str(value)[:20])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@dtypes
def test_agrees_over_a_sample(name, options, theirs, shape, dtype):
    values = {"gamma": GAMMA} if name == "rms_norm" else BOTH
    x = numbers(6, *shape) * 2 + 1
    compare(partial(built, "layers", name, options), theirs, x, dtype, values, sizes=(3, 0, 3), ranks=2)


@pytest.mark.parametrize("shape", SHAPES[1:], ids=str)
@dtypes
def test_instance_norm_agrees(shape, dtype):
    def theirs(x, gamma, beta):
        return last(F.instance_norm(first(x), weight=gamma, bias=beta))

    make = partial(built, "layers", "instance_norm", {})
    compare(make, theirs, numbers(6, *shape) * 2 + 1, dtype, BOTH, sizes=(4, 2), ranks=2)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("options", [{}, {"momentum": 0.3, "epsilon": 0.01}], ids=str)
@pytest.mark.parametrize("training", [True, False])
@dtypes
def test_batch_norm_agrees(shape, options, training, dtype):
    """On three ranks with shards of 5, 0, 1 and 6 rows: PyTorch has the 12 rows in one place."""
    momentum, epsilon = options.get("momentum", 0.1), options.get("epsilon", 1e-5)
    states = {"mean": numbers(6, seed=4), "variance": np.abs(numbers(6, seed=5)) + 0.1}
    running = {name: torch.tensor(value.astype(dtype)) for name, value in states.items()}

    def theirs(x, gamma, beta):
        mean, variance = running.values()
        return last(F.batch_norm(first(x), mean, variance, gamma, beta, training, momentum, epsilon))

    x = numbers(12, *shape) * 2 + np.arange(6)
    make = partial(built, "layers", "batch_norm", options)
    passed = compare(
        make, theirs, x, dtype, BOTH, sizes=(5, 0, 1, 6), ranks=3, training=training, states=states
    )
    for name, value in running.items():
        assert distance(passed.states[name], value.numpy()) <= BOUNDS[dtype], name


def test_batch_norm_over_each_shard_alone_would_not_agree():
    x = numbers(12, 6) * 2 + np.arange(6)
    whole = F.batch_norm(torch.from_numpy(x), None, None, training=True).numpy()
    parts = [F.batch_norm(torch.from_numpy(x[rows]), None, None, training=True).numpy() for rows in
             (slice(0, 5), slice(5, 12))]  # fmt: skip
    assert distance(np.concatenate(parts), whole) > 0.1
