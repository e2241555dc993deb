"""The normalizations of one sample: layer, root mean square, group and instance norm."""

from __future__ import annotations

from functools import partial
from math import fsum, prod, sqrt

import numpy as np
import pytest

from dtrain.engine import Network
from dtrain_plugins.layers.group_norm import GroupNorm
from dtrain_plugins.layers.instance_norm import InstanceNorm
from dtrain_plugins.layers.layer_norm import LayerNorm
from dtrain_plugins.layers.rms_norm import RmsNorm
from tests.plugins.support import (
    check_gradients,
    check_rows_are_their_own,
    distance,
    initializer,
    message_of,
    run_layer,
    same_bits,
)

RANDOM = np.random.Generator(np.random.Philox(4))
GAMMA, BETA = np.array([1.5, -0.7, 2.0, 0.4]), np.array([0.3, 1.1, -2.0, 0.0])

TABLE = {
    # name: (factory, whether a sample may have no places, block of a place and channel, whether centred)
    "layer_norm": (LayerNorm, True, lambda place, channel: (place, 0), True),
    "rms_norm": (RmsNorm, True, lambda place, channel: (place, 0), False),
    "group_norm-1": (partial(GroupNorm, 1), True, lambda place, channel: (0, 0), True),
    "group_norm-2": (partial(GroupNorm, 2), True, lambda place, channel: (0, channel // 2), True),
    "instance_norm": (InstanceNorm, False, lambda place, channel: (0, channel), True),
}
CASES = [
    pytest.param(make, shape, block, centred, id=f"{name}-{shape}")
    for name, (make, flat, block, centred) in TABLE.items()
    for shape in [(4,), (5, 4), (2, 3, 4)]
    if flat or len(shape) > 1
]
every = pytest.mark.parametrize(("make", "shape", "block", "centred"), CASES)


def reference(x, block, centred, epsilon=1e-5):
    """γ·x̂ + β with exact sums, element by element: each takes the statistics of its own block."""
    y = np.zeros(x.shape)
    for row in range(len(x)):
        sample = x[row].reshape(-1, 4)
        blocks = {}
        for place, channel in np.ndindex(*sample.shape):
            blocks.setdefault(block(place, channel), []).append(float(sample[place, channel]))
        for place, channel in np.ndindex(*sample.shape):
            values = blocks[block(place, channel)]
            mean = fsum(values) / len(values) if centred else 0.0
            variance = fsum((v - mean) ** 2 for v in values) / len(values)
            x_hat = (float(sample[place, channel]) - mean) / sqrt(variance + epsilon)
            y[row].reshape(-1, 4)[place, channel] = GAMMA[channel] * x_hat + (BETA[channel] if centred else 0)
    return y


def values_of(make):
    return {"gamma": GAMMA} if make is RmsNorm else {"gamma": GAMMA, "beta": BETA}


@every
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-5), (np.float64, 1e-12)])
@pytest.mark.parametrize("mean", [0, 1000])
def test_agrees_with_exact_sums(make, shape, block, centred, dtype, tolerance, mean):
    x = (RANDOM.standard_normal((6, *shape)) + mean).astype(dtype)
    for training in (True, False):
        y = run_layer(make, x, values=values_of(make), training=training, sizes=(4, 0, 2)).y
        assert y.dtype == dtype
        assert distance(y, reference(x, block, centred)) <= tolerance


@every
def test_differentiates(make, shape, block, centred):
    x, dy = RANDOM.standard_normal((2, 3, *shape))
    passed = check_gradients(make, x, dy, sizes=(1, 0, 2), values=values_of(make))
    assert passed.calls == [{}, {}]


@every
@pytest.mark.parametrize("options", [{"scale": False}, {"offset": False}, {"epsilon": 0.1}], ids=str)
def test_differentiates_with_other_options(make, shape, block, centred, options):
    if make is RmsNorm and "offset" in options:
        return
    x, dy = RANDOM.standard_normal((2, 2, *shape))
    values = {name: value for name, value in values_of(make).items()
              if options.get({"gamma": "scale", "beta": "offset"}[name], True)}  # fmt: skip
    passed = check_gradients(partial(make, **options), x, dy, values=values)
    assert passed.gradients.keys() == values.keys()


@every
def test_starts_without_scale_and_offset_of_its_own(make, shape, block, centred):
    x = RANDOM.standard_normal((5, *shape))
    values = {
        name: np.full(4, start) for name, start in (("gamma", 1.0), ("beta", 0.0)) if name in values_of(make)
    }
    same_bits(run_layer(make, x).y, run_layer(make, x, values=values).y)
    network = Network([("n", make())], shape, "f4", initializer)
    assert [(p.name, p.shape, p.role) for p in network.parameters] == [
        (f"n.{name}", (4,), {"gamma": "scale", "beta": "bias"}[name]) for name in values_of(make)
    ]
    assert network.states == []


@every
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_takes_extreme_and_constant_samples_and_none(make, shape, block, centred, dtype):
    x = np.zeros((4, *shape), dtype)
    x[0], x[1] = 1e4, -1e4
    x[2].flat[::2] = 1e4
    passed = run_layer(make, x, np.ones_like(x), values=values_of(make))
    assert np.isfinite(passed.y).all()
    assert np.isfinite(passed.dx).all()
    if centred:
        assert np.abs(passed.y[[0, 1, 3]] - BETA).max() < 1e-6
    empty = run_layer(make, x[:0], x[:0])
    assert empty.y.shape == empty.dx.shape == (0, *shape)


@every
def test_the_bits_of_a_row_do_not_depend_on_the_rows_beside_it(make, shape, block, centred):
    for channels in (4, 64):
        x, dy = RANDOM.standard_normal((2, 9, *shape[:-1], channels)).astype(np.float32)
        check_rows_are_their_own(lambda x, dy: run_layer(make, x, dy)[:2], x, dy)


@every
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_gives_the_same_bits_on_any_number_of_ranks(make, shape, block, centred, dtype):
    x, dy = RANDOM.standard_normal((2, 17, *shape)).astype(dtype)
    sizes = (3, 3, 3, 2, 2, 2, 2, 0)
    whole = run_layer(make, x, dy, sizes=sizes, values=values_of(make))
    for ranks in (1, 2, 3, 5):
        split = run_layer(make, x, dy, sizes=sizes, ranks=ranks, values=values_of(make))
        same_bits(split.y, whole.y)
        same_bits(split.dx, whole.dx)
        same_bits(split.gradients, whole.gradients)


def test_the_group_norm_of_a_vector_is_a_layer_norm_of_each_group():
    x = RANDOM.standard_normal((6, 12))
    groups = run_layer(partial(GroupNorm, 3), x).y
    apart = run_layer(LayerNorm, x.reshape(6, 3, 4)).y.reshape(6, 12)
    assert distance(groups, apart) < 1e-14


def test_a_large_mean_does_not_reach_the_result():
    """x + 1000 has the x̂ of x, as far as float32 holds x + 1000 at all."""
    x = RANDOM.standard_normal((6, 64)).astype(np.float32) + np.float32(1000)
    exact = x.astype(np.float64) - 1000
    assert distance(run_layer(LayerNorm, x).y, run_layer(LayerNorm, exact).y) < 1e-6


@pytest.mark.parametrize("make", [LayerNorm, RmsNorm, InstanceNorm, partial(GroupNorm, 1)])
@pytest.mark.parametrize("epsilon", [0.0, -1.0])
def test_refuses_an_epsilon_that_is_not_positive(make, epsilon):
    expected = f"epsilon must be positive, got {epsilon}"
    assert message_of(ValueError, lambda: make(epsilon=epsilon)) == expected


@pytest.mark.parametrize(
    ("make", "shape", "message"),
    [
        (LayerNorm, (), "layer_norm takes samples of at least one dimension, got ()"),
        (RmsNorm, (), "rms_norm takes samples of at least one dimension, got ()"),
        (partial(GroupNorm, 2), (), "group_norm takes samples of at least one dimension, got ()"),
        (partial(GroupNorm, 3), (5, 8), "groups must divide the 8 channels of a sample (5, 8), got 3"),
        (InstanceNorm, (8,), "instance_norm takes samples of places and channels, got (8,)"),
    ],
)
def test_refuses_samples_that_do_not_fit(make, shape, message):
    assert message_of(ValueError, lambda: make().build(shape, None)) == message


def test_refuses_less_than_one_group():
    assert message_of(ValueError, lambda: GroupNorm(0)) == "groups must be at least 1, got 0"


def test_every_sample_has_mean_0_and_variance_1():
    x = 3 + 2 * RANDOM.standard_normal((6, 5, 4))
    for make, axes in ((LayerNorm, 2), (InstanceNorm, 1), (partial(GroupNorm, 1), (1, 2))):
        y = run_layer(make, x).y
        assert np.abs(y.mean(axis=axes)).max() < 1e-14
        assert y.var(axis=axes) == pytest.approx(1, rel=1e-3)
    square = np.square(run_layer(RmsNorm, x).y)
    assert square.mean(axis=2) == pytest.approx(1, rel=1e-3)
    assert prod(square.shape) == 120
