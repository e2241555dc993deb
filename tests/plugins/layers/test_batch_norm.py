"""Batch normalization: the statistics of the whole batch, wherever its rows are."""

from __future__ import annotations

from functools import cache, partial
from math import fsum, sqrt

import numpy as np
import pytest

from dtrain.engine import Network
from dtrain_plugins.layers.batch_norm import BatchNorm
from tests.plugins.support import check_gradients, distance, initializer, message_of, run_layer, same_bits

GAMMA = np.array([1.5, -0.7, 2.0])
BETA = np.array([0.3, 1.1, -2.0])
OLD_MEAN = np.array([0.5, -1.0, 4.0])
OLD_VARIANCE = np.array([2.0, 0.5, 3.0])

SHARDS = {
    "one": (12,),
    "even": (6, 6, 6, 6, 6, 6, 6, 6),
    "uneven": (32, 32, 32, 4),
    "empty": (5, 0, 3, 0, 0, 1, 0, 2),
    "first-empty": (0, 0, 0, 7, 2),
    "rows": (1, 1, 1, 1, 1),
    "many": (512,) * 8,
}


def batch(rows, mean=0.0, dtype=np.float64, features=3):
    """Rows in order of size, so that no shard looks like the batch; the features have other scales."""
    random = np.random.Generator(np.random.Philox(rows))
    x = np.sort(random.standard_normal((rows, features)), axis=0)
    x += mean
    x *= np.array([1.0, 0.01, 30.0])[:features]
    return x.astype(dtype), random.standard_normal((rows, features)).astype(dtype)


def reference(x, dy, gamma, beta, epsilon=1e-5, momentum=0.1):
    """In float64 with exact sums; backward is the product with the Jacobian ∂y_j/∂x_i, written out."""
    n, d = x.shape
    out = {name: np.zeros((n, d)) for name in ("y", "dx")}
    out |= {name: np.zeros(d) for name in ("gamma", "beta", "mean", "variance")}
    for k in range(d):
        column, dcolumn = [float(v) for v in x[:, k]], np.asarray(dy[:, k], np.float64)
        mean = fsum(column) / n
        variance = fsum((v - mean) ** 2 for v in column) / n
        sigma = sqrt(variance + epsilon)
        x_hat = np.array([(v - mean) / sigma for v in column])
        out["y"][:, k] = gamma[k] * x_hat + beta[k]
        for i in range(n):
            row = -(1 + x_hat[i] * x_hat) / n
            row[i] += 1
            out["dx"][i, k] = gamma[k] / sigma * (row * dcolumn).sum()
        out["gamma"][k] = fsum(dcolumn * x_hat)
        out["beta"][k] = fsum(dcolumn)
        unbiased = variance * n / (n - 1) if n > 1 else 0.0
        out["mean"][k] = OLD_MEAN[k] + momentum * (mean - OLD_MEAN[k])
        out["variance"][k] = OLD_VARIANCE[k] + momentum * (unbiased - OLD_VARIANCE[k])
    return out


@cache
def expected_of(rows, mean, dtype):
    """The reference takes a second for 4,096 rows."""
    return reference(*batch(rows, mean, dtype), GAMMA, BETA)


def run(x, dy, make=BatchNorm, **options):
    """With the values and the running statistics of this file."""
    options = {
        "values": {"gamma": GAMMA, "beta": BETA},
        "states": {"mean": OLD_MEAN, "variance": OLD_VARIANCE},
    } | options
    return run_layer(make, x, dy, **options)


def agree(passed, expected, tolerance):
    for name, value in {"y": passed.y, "dx": passed.dx, **passed.gradients, **passed.states}.items():
        assert distance(value, expected[name]) <= tolerance, name


@pytest.mark.parametrize("ranks", [None, 3])
@pytest.mark.parametrize(
    ("dtype", "mean", "tolerance"),
    [
        (np.float32, 0.0, 1e-4),
        (np.float32, 1000.0, 1e-4),
        (np.float32, 1e5, 1e-4),  # where the mean, rounded to float32, is wrong by a hundredth of the spread
        (np.float64, 0.0, 1e-10),
        (np.float64, 1000.0, 1e-10),
        (np.float64, 1e5, 1e-8),
    ],
)
@pytest.mark.parametrize("sizes", SHARDS.values(), ids=SHARDS)
def test_agrees_with_exact_sums_for_any_shards(sizes, dtype, mean, tolerance, ranks):
    x, dy = batch(sum(sizes), mean, dtype)
    if ranks is not None and len(sizes) < ranks:
        sizes = (*sizes, 0, 0)
    passed = run(x, dy, sizes=sizes, ranks=ranks)
    agree(passed, expected_of(len(x), mean, dtype), tolerance)
    assert {name: g.dtype for name, g in passed.gradients.items()} == {"gamma": dtype, "beta": dtype}
    assert {s.dtype for s in passed.states.values()} == {np.dtype(np.float64)}


@pytest.mark.parametrize("share_memory", [True, False])
@pytest.mark.parametrize("sizes", [(5,) * 5 + (4,) * 3, (1, 1, 1, 0, 0, 0, 0, 0), SHARDS["empty"]], ids=str)
def test_gives_the_same_bits_on_any_number_of_ranks(sizes, share_memory):
    x, dy = batch(sum(sizes), 10.0, np.float32)
    whole = run(x, dy, sizes=sizes)
    for ranks in (1, 2, 3, 5):
        split = run(x, dy, sizes=sizes, ranks=ranks, share_memory=share_memory)
        same_bits(split.y, whole.y)
        same_bits(split.dx, whole.dx)
        same_bits(split.gradients, whole.gradients)
        same_bits(split.states, whole.states)


@pytest.mark.parametrize("ranks", [2, 3, 5])
@pytest.mark.parametrize("shape", [(3,), (2, 2, 3)], ids=str)
def test_meets_once_forward_and_once_backward(ranks, shape):
    x = batch(20)[0].repeat(int(np.prod(shape)) // 3, axis=0).reshape(20, *shape)
    assert run(x, x, sizes=(4,) * 5, ranks=ranks).calls == [{"allgather": 1}, {"allgather": 1}]
    frozen = run(x, x, sizes=(4,) * 5, ranks=ranks, training=False)
    assert frozen.calls == [{}, {}]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("options", [{}, {"scale": False}, {"offset": False}, {"epsilon": 0.1}], ids=str)
@pytest.mark.parametrize("shape", [(3,), (2, 3)], ids=str)
def test_differentiates_through_the_statistics(shape, options, training):
    random = np.random.Generator(np.random.Philox(4))
    x, dy = random.standard_normal((2, 5, *shape))
    values = {"gamma": GAMMA} if options.get("scale", True) else {}
    values |= {"beta": BETA} if options.get("offset", True) else {}
    states = {"mean": OLD_MEAN, "variance": OLD_VARIANCE}
    check_gradients(
        partial(BatchNorm, **options), x, dy, sizes=(2, 0, 3), values=values, states=states, training=training
    )


def test_takes_the_places_of_an_image_as_rows():
    x, dy = batch(24, 3.0)
    flat = run(x, dy, sizes=(8, 8, 8))
    image = run(x.reshape(6, 2, 2, 3), dy.reshape(6, 2, 2, 3), sizes=(2, 2, 2))
    agree(
        image._replace(y=image.y.reshape(24, 3), dx=image.dx.reshape(24, 3)),
        reference(x, dy, GAMMA, BETA),
        1e-12,
    )
    agree(flat, reference(x, dy, GAMMA, BETA), 1e-12)


@pytest.mark.parametrize(("scale", "offset"), [(True, False), (False, True), (False, False)])
def test_scale_and_offset_can_each_be_left_out(scale, offset):
    x, dy = batch(9)
    values = ({"gamma": GAMMA} if scale else {}) | ({"beta": BETA} if offset else {})
    passed = run(x, dy, partial(BatchNorm, scale=scale, offset=offset), values=values, sizes=(5, 4))
    assert passed.gradients.keys() == values.keys()
    ones, zeros = np.ones(3), np.zeros(3)
    agree(passed, reference(x, dy, GAMMA if scale else ones, BETA if offset else zeros), 1e-12)


def test_makes_a_scale_and_a_bias_and_two_states():
    network = Network([("bn", BatchNorm())], (4, 3), "f4", initializer)
    assert [(p.name, p.shape, p.role) for p in network.parameters] == [
        ("bn.gamma", (3,), "scale"),
        ("bn.beta", (3,), "bias"),
    ]
    assert [(s.name, s.value.shape) for s in network.states] == [("bn.mean", (3,)), ("bn.variance", (3,))]
    assert network.shape == (4, 3)


def test_starts_at_the_standard_normal():
    x, dy = batch(9)
    passed = run_layer(BatchNorm, x, dy)
    assert distance(passed.y, reference(x, dy, np.ones(3), np.zeros(3))["y"]) < 1e-12
    unseen = run_layer(BatchNorm, x, training=False)
    same_bits(unseen.states, {"mean": np.zeros(3), "variance": np.ones(3)})
    assert distance(unseen.y, x / sqrt(1 + 1e-5)) < 1e-15


def test_one_row_gives_the_offset_and_no_gradient():
    x, dy = batch(1, 5.0)
    passed = run(x, dy, sizes=(0, 1, 0), ranks=2)
    same_bits(passed.y, BETA[None])
    assert not passed.dx.any()
    assert not passed.gradients["gamma"].any()
    same_bits(passed.gradients["beta"], dy[0])
    same_bits(passed.states, {"mean": OLD_MEAN, "variance": OLD_VARIANCE})  # one row has no unbiased variance


@pytest.mark.parametrize("value", [0.0, 7.0, 1e6, -0.1])
def test_a_constant_feature_gives_the_offset_in_float32(value):
    x, dy = batch(50, dtype=np.float32)
    x[:, 1] = value
    passed = run(x, dy, sizes=(20, 20, 10), ranks=2)
    assert np.abs(passed.y[:, 1] - BETA[1]).max() < 1e-3
    assert np.isfinite(passed.dx).all()
    expected = GAMMA[1] / sqrt(1e-5) * (dy[:, 1] - dy[:, 1].astype(float).mean())
    assert distance(passed.dx[:, 1], expected) < 1e-4


@pytest.mark.parametrize(("size", "tolerance"), [(1e18, 1e-6), (1e20, 1e-4), (1e25, None), (1e37, None)])
def test_takes_float32_of_any_size(size, tolerance):
    """y does not depend on the size, dx falls with it; from 1e21 on, dx is at the end of float32's range."""
    x, dy = batch(100, dtype=np.float32)
    x *= np.array([1, 100, 1 / 30], np.float32)
    with np.errstate(all="ignore"):
        plain, large = (run(x * np.float32(s), dy, sizes=SHARDS["uneven"], ranks=2) for s in (1e5, size))
    assert distance(large.y, plain.y) < 1e-6
    assert distance(large.states["variance"] / size**2, plain.states["variance"] / 1e10) < 1e-5
    assert np.isfinite(large.dx).all()
    if tolerance is not None:
        assert distance(large.dx * size, plain.dx.astype(float) * 1e5) < tolerance


def test_no_rows_at_all_change_nothing():
    nothing = np.zeros((0, 3))
    passed = run(nothing, nothing, sizes=(0, 0, 0), ranks=2)
    assert passed.y.shape == passed.dx.shape == (0, 3)
    same_bits(passed.states, {"mean": OLD_MEAN, "variance": OLD_VARIANCE})
    assert not any(g.any() for g in passed.gradients.values())


def test_momentum_is_the_weight_of_the_new_batch():
    x = np.array([[1.0], [2.0], [3.0], [6.0]])  # mean 3, Σ(x−μ)² = 14
    states = {"mean": np.array([10.0]), "variance": np.array([20.0])}
    passed = run_layer(partial(BatchNorm, momentum=0.25), x, states=states, sizes=(3, 1))
    assert passed.states["mean"] == pytest.approx([0.75 * 10 + 0.25 * 3], rel=1e-14)
    assert passed.states["variance"] == pytest.approx([0.75 * 20 + 0.25 * 14 / 3], rel=1e-14)
    last = run_layer(partial(BatchNorm, momentum=1.0), x, states=states, sizes=(3, 1))
    assert last.states["mean"] == pytest.approx([3], rel=1e-14)
    assert last.states["variance"] == pytest.approx([14 / 3], rel=1e-14)


def test_inference_is_a_frozen_map_of_each_row():
    x, dy = batch(10, 2.0)
    passed = run(x, dy, sizes=(6, 4), ranks=2, training=False)
    sigma = [sqrt(v + 1e-5) for v in OLD_VARIANCE]
    for i in range(10):
        for k in range(3):
            assert passed.y[i, k] == pytest.approx(
                GAMMA[k] * (x[i, k] - OLD_MEAN[k]) / sigma[k] + BETA[k], rel=1e-12
            )
            assert passed.dx[i, k] == pytest.approx(dy[i, k] * GAMMA[k] / sigma[k], rel=1e-12)
    same_bits(passed.states, {"mean": OLD_MEAN, "variance": OLD_VARIANCE})
    same_bits(run(x[3:4], dy[3:4], training=False).y, passed.y[3:4])


def test_statistics_of_each_rank_alone_are_not_those_of_the_batch():
    """The negative control: what a rank would compute that asks nobody."""
    x, dy = batch(40)
    together = run(x, dy, sizes=(20, 20), ranks=2)
    apart = [run(x[half], dy[half]) for half in (slice(20), slice(20, 40))]
    assert distance(np.concatenate([p.y for p in apart]), together.y) > 0.1
    assert distance(np.concatenate([p.dx for p in apart]), together.dx) > 0.1
    assert distance(apart[0].states["mean"], together.states["mean"]) > 0.01


def test_an_unweighted_mean_of_shard_means_is_not_the_mean_of_the_batch():
    """The negative control: what a mean of means makes of shards of 32, 32, 32 and 4 rows."""
    x, dy = batch(100)
    shards = np.split(x, [32, 64, 96])
    wrong = np.mean([shard.mean(axis=0) for shard in shards], axis=0)
    passed = run(x, dy, partial(BatchNorm, momentum=1.0), sizes=(32, 32, 32, 4), ranks=3)
    right = np.array([fsum(column) / 100 for column in x.T])
    assert distance(passed.states["mean"], right) < 1e-12
    assert distance(passed.states["mean"], wrong) > 0.5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"momentum": 0.0}, "momentum must be in (0, 1], got 0.0"),
        ({"momentum": 1.5}, "momentum must be in (0, 1], got 1.5"),
        ({"epsilon": 0.0}, "epsilon must be positive, got 0.0"),
        ({"epsilon": -1.0}, "epsilon must be positive, got -1.0"),
    ],
)
def test_refuses_options_out_of_range(options, message):
    assert message_of(ValueError, lambda: BatchNorm(**options)) == message


def test_refuses_samples_without_a_dimension():
    assert (
        message_of(ValueError, lambda: BatchNorm().build((), None))
        == "batch_norm takes samples of at least one dimension, got ()"
    )
