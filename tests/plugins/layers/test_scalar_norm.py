"""Scalar normalization: one mean and one variance over all rows and features of the global batch."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from dtrain_plugins.layers.batch_norm import BatchNorm
from dtrain_plugins.layers.scalar_norm import ScalarNorm
from tests.plugins.support import check_gradients, distance, message_of, run_layer, same_bits

GAMMA = np.array([1.5, -0.7, 2.0])
BETA = np.array([0.3, 1.1, -2.0])
OLD_MEAN, OLD_VARIANCE = np.array([0.5]), np.array([2.0])
SIZES = {"one": (12,), "uneven": (5, 5, 5, 4, 4), "empty": (5, 0, 3, 0, 0, 1, 0, 2), "rows": (1, 1, 1)}


def batch(rows, *places, mean=0.0, dtype=np.float64):
    random = np.random.Generator(np.random.Philox(rows))
    x = np.sort(random.standard_normal((rows, *places, 3)), axis=0) * [1.0, 0.1, 3.0] + mean
    return x.astype(dtype), random.standard_normal(x.shape).astype(dtype)


def run(x, dy=None, make=ScalarNorm, **options):
    options = {
        "values": {"gamma": GAMMA, "beta": BETA},
        "states": {"mean": OLD_MEAN, "variance": OLD_VARIANCE},
    } | options
    return run_layer(make, x, dy, **options)


def agree(passed, x, dy, tolerance):
    """With NumPy over the flattened batch; backward is the product with the whole Jacobian ∂x̂_j/∂x_i."""
    flat, n = x.astype(np.longdouble).ravel(), x.size
    sigma = np.sqrt(flat.var() + 1e-5)
    x_hat = (flat - flat.mean()) / sigma
    jacobian = (np.eye(n) - 1 / n - np.multiply.outer(x_hat, x_hat) / n) / sigma
    expected = {
        "y": x_hat.reshape(x.shape) * GAMMA + BETA,
        "dx": (jacobian @ (dy * GAMMA).ravel()).reshape(x.shape),
        "gamma": (dy * x_hat.reshape(x.shape)).reshape(-1, 3).sum(axis=0),
        "beta": dy.astype(float).reshape(-1, 3).sum(axis=0),
        "mean": 0.9 * OLD_MEAN + 0.1 * flat.mean(),
        "variance": 0.9 * OLD_VARIANCE + 0.1 * flat.var(ddof=1),
    }
    for name, value in {"y": passed.y, "dx": passed.dx, **passed.gradients, **passed.states}.items():
        assert distance(value, expected[name]) <= tolerance, name


@pytest.mark.parametrize(
    ("mean", "dtype", "tolerance"),
    [(0.0, "f4", 1e-5), (1000.0, "f4", 1e-4), (0.0, "f8", 1e-12), (1000.0, "f8", 1e-9)],
)
@pytest.mark.parametrize("places", [(), (2, 2)], ids=str)
@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
def test_normalizes_the_batch_as_one_vector(sizes, places, mean, dtype, tolerance):
    x, dy = batch(sum(sizes), *places, mean=mean, dtype=dtype)
    passed = run(x, dy, sizes=sizes, ranks=min(3, len(sizes)))
    agree(passed, x, dy, tolerance)
    assert passed.y.dtype == passed.dx.dtype == x.dtype


@pytest.mark.parametrize("share_memory", [True, False])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_gives_the_same_bits_on_any_number_of_ranks(dtype, share_memory):
    sizes = (5, 5, 0, 5, 4, 4, 4, 4)
    x, dy = batch(sum(sizes), 2, mean=10.0, dtype=dtype)
    whole = run(x, dy, sizes=sizes)
    for ranks in (1, 2, 3, 5):
        split = run(x, dy, sizes=sizes, ranks=ranks, share_memory=share_memory)
        same_bits(split.y, whole.y)
        same_bits(split.dx, whole.dx)
        same_bits(split.gradients, whole.gradients)
        same_bits(split.states, whole.states)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("options", [{}, {"scale": False}, {"offset": False}, {"epsilon": 0.1}], ids=str)
@pytest.mark.parametrize("shape", [(3,), (2, 3)], ids=str)
def test_differentiates_through_the_statistics(shape, options, training):
    random = np.random.Generator(np.random.Philox(4))
    x, dy = random.standard_normal((2, 5, *shape))
    values = {"gamma": GAMMA} if options.get("scale", True) else {}
    values |= {"beta": BETA} if options.get("offset", True) else {}
    states = {"mean": OLD_MEAN, "variance": OLD_VARIANCE}
    make = partial(ScalarNorm, **options)
    check_gradients(make, x, dy, sizes=(2, 0, 3), values=values, states=states, training=training)


def test_is_neither_batch_norm_nor_the_statistics_of_half_the_batch():
    """The negative control."""
    x, dy = batch(40)
    together = run(x, dy, sizes=(20, 20), ranks=2)
    apart = [run(x[half], dy[half]) for half in (slice(20), slice(20, 40))]
    assert distance(np.concatenate([p.y for p in apart]), together.y) > 0.1
    per_feature = run(x, dy, BatchNorm, states={})
    assert distance(per_feature.y, together.y) > 0.1
    plain = run_layer(partial(ScalarNorm, scale=False, offset=False), x).y
    np.testing.assert_allclose(
        plain.std(axis=0)[2] / plain.std(axis=0)[1], x.std(axis=0)[2] / x.std(axis=0)[1]
    )


def test_inference_is_a_frozen_map_of_each_row():
    x, dy = batch(10, mean=2.0)
    passed = run(x, dy, sizes=(6, 4), ranks=2, training=False)
    assert distance(passed.y, GAMMA * (x - 0.5) / np.sqrt(2 + 1e-5) + BETA) < 1e-14
    assert distance(passed.dx, dy * GAMMA / np.sqrt(2 + 1e-5)) < 1e-14
    same_bits(passed.states, {"mean": OLD_MEAN, "variance": OLD_VARIANCE})
    same_bits(run(x[3:4], dy[3:4], training=False).y, passed.y[3:4])


def test_a_single_number_gives_the_offset_and_no_gradient():
    make = partial(ScalarNorm, scale=False, offset=False)
    passed = run_layer(make, np.full((1, 1), 5.0), np.ones((1, 1)), sizes=(0, 1), ranks=2)
    assert not passed.y.any()
    assert not passed.dx.any()
    same_bits(passed.states, {"mean": np.zeros(1), "variance": np.ones(1)})


def test_one_row_is_normalized_over_its_features():
    x, dy = batch(1, 2)
    agree(run(x, dy), x, dy, 1e-12)


@pytest.mark.parametrize("value", [0.0, 7.0, 1e6, -0.1])
def test_a_constant_batch_gives_the_offset(value):
    x, dy = batch(50, dtype=np.float32)
    passed = run(np.full_like(x, value), dy, sizes=(20, 20, 10), ranks=2)
    assert np.abs(passed.y - BETA).max() < 1e-3
    assert np.isfinite(passed.dx).all()


def test_no_rows_at_all_change_nothing_and_a_batch_meets_twice():
    nothing = np.zeros((0, 3))
    passed = run(nothing, nothing, sizes=(0, 0, 0), ranks=2)
    same_bits(passed.states, {"mean": OLD_MEAN, "variance": OLD_VARIANCE})
    assert not any(g.any() for g in passed.gradients.values())
    x, dy = batch(9)
    assert run(x, dy, sizes=(3, 3, 3), ranks=3).calls == [{"allgather": 1}, {"allgather": 1}]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ScalarNorm(momentum=0.0), "momentum must be in (0, 1], got 0.0"),
        (lambda: ScalarNorm(momentum=1.5), "momentum must be in (0, 1], got 1.5"),
        (lambda: ScalarNorm(epsilon=0.0), "epsilon must be positive, got 0.0"),
        (lambda: ScalarNorm().build((), None), "scalar_norm takes samples of at least one dimension, got ()"),
    ],
)
def test_refuses_options_out_of_range_and_samples_without_a_dimension(call, message):
    assert message_of(ValueError, call) == message
