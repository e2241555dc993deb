"""Activations against PyTorch's."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from tests.plugins.support import built
from tests.pytorch.support import compare, dtypes, numbers, torch

F = torch.nn.functional

TABLE = [
    ("elu", {}, F.elu),
    ("elu", {"alpha": 0.5}, partial(F.elu, alpha=0.5)),
    ("exp", {}, torch.exp),
    ("gelu", {}, F.gelu),
    ("gelu", {"approximate": "tanh"}, partial(F.gelu, approximate="tanh")),
    ("hard_sigmoid", {}, lambda x: F.relu6(x + 3) / 6),  # hardsigmoid's 1/6 is a float32 in float64, too
    ("hard_tanh", {}, F.hardtanh),
    ("leaky_relu", {}, F.leaky_relu),
    ("leaky_relu", {"slope": 0.3}, partial(F.leaky_relu, negative_slope=0.3)),
    ("mish", {}, F.mish),
    ("relu", {}, F.relu),
    ("selu", {}, F.selu),
    ("sigmoid", {}, torch.sigmoid),
    ("silu", {}, F.silu),
    ("softmax", {}, partial(torch.softmax, dim=-1)),
    # PyTorch's goes over to y = x beyond its threshold, by default 20.
    ("softplus", {}, partial(F.softplus, threshold=100)),
    ("tanh", {}, torch.tanh),
    ("tanh_probability", {}, lambda x: (1 + torch.tanh(x)) / 2),
]


@pytest.mark.parametrize(("name", "options", "theirs"), TABLE, ids=lambda value: str(value)[:30])
@pytest.mark.parametrize("scale", [0.1, 1.0, 10.0])
@dtypes
def test_agrees(name, options, theirs, scale, dtype):
    x = numbers(7, 3, 11) * scale
    assert np.abs(np.abs(x) - 1).min() > 1e-5  # no number on a kink, at 0, ±1 or ±3
    assert np.abs(np.abs(x) - 3).min() > 1e-5
    compare(partial(built, "activations", name, options), theirs, x, dtype)


@pytest.mark.parametrize(("per", "count"), [("channel", 5), ("layer", 1)])
@dtypes
def test_prelu_agrees_with_its_slope(per, count, dtype):
    def theirs(x, slope):
        return F.prelu(x.reshape(-1, 5), slope).reshape(x.shape)

    make = partial(built, "layers", "prelu", {"per": per})
    compare(make, theirs, numbers(6, 4, 5), dtype, {"slope": numbers(count, seed=2)}, sizes=(2, 0, 4))
