"""Count, mean and variance over all rows, precise for any mean."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from dtrain.engine import shard_bounds
from tests.engine.context.support import MANY, TOLERANCE, alone, data
from tests.support import assert_same_bits, in_context


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("shape", "axes"), [((), ()), ((4,), ()), ((3, 2), ()), ((3, 2, 4), (1, 2)), ((5, 4), (1,))]
)
@pytest.mark.parametrize("rows", [1, 5, 8, 61, 64])
def test_moments_are_those_of_all_rows_with_the_same_bits_on_any_ranks(rows, shape, axes, dtype):
    x = data(rows, *shape, dtype=dtype)
    (one,) = in_context(1, rows, lambda context, mine: context.moments(x[mine], axes=axes))
    count, mean, variance = one
    wide = x.astype(np.longdouble)
    over = (0, *axes)
    assert type(count) is int
    assert count == rows * np.prod([shape[a - 1] for a in axes], dtype=int)
    assert mean.dtype == variance.dtype == np.float64
    np.testing.assert_allclose(mean, wide.mean(axis=over).astype(float), rtol=0, atol=TOLERANCE[dtype])
    np.testing.assert_allclose(variance, wide.var(axis=over).astype(float), rtol=0, atol=4 * TOLERANCE[dtype])
    for ranks in MANY:
        for result in in_context(ranks, rows, lambda context, mine: context.moments(x[mine], axes=axes)):
            assert result[0] == count
            assert_same_bits(result[1], mean)
            assert_same_bits(result[2], variance)


@pytest.mark.parametrize("ranks", [1, 3])
def test_moments_of_no_rows_are_zeros_and_a_count_of_zero(ranks):
    for count, mean, variance in in_context(
        ranks, 0, lambda context, mine: context.moments(np.zeros((0, 3), np.float32))
    ):
        assert count == 0
        assert_same_bits(mean, np.zeros(3))
        assert_same_bits(variance, np.zeros(3))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("ratio", [10, 100, 1000, 1e4])
@pytest.mark.parametrize("rows", [61, 512])
def test_moments_keep_their_precision_where_the_mean_is_far_from_zero(rows, ratio, dtype):
    x = (data(rows, 6, dtype="float64") + ratio).astype(dtype)
    x[:, 0] *= -1
    wide = x.astype(np.longdouble)
    mean, variance = wide.mean(axis=0), wide.var(axis=0)
    for count, m, v in in_context(3, rows, lambda context, mine: context.moments(x[mine])):
        assert count == rows
        np.testing.assert_allclose(m, mean.astype(float), rtol=1e-12 if dtype == "float64" else 1e-9)
        np.testing.assert_allclose(v, variance.astype(float), rtol=1e-9 if dtype == "float64" else 1e-6)


def test_squares_about_zero_in_the_arrays_dtype_would_lose_the_variance():
    """The negative control of the test above: E[x²] − E[x]² in float32."""
    x = (data(512, 6) + 1000).astype(np.float32)
    naive = (x * x).mean(axis=0) - x.mean(axis=0) ** 2
    assert (np.abs(naive - x.astype(float).var(axis=0)) > 0.01).all()


def test_the_variance_of_equal_rows_is_zero_and_never_negative():
    x = np.full((61, 4), np.float32(1000.1))
    for _, mean, variance in in_context(3, 61, lambda context, mine: context.moments(x[mine])):
        np.testing.assert_allclose(mean, x[0].astype(float), rtol=1e-12)
        assert (variance >= 0).all()
        assert (variance < 1e-6).all()


def test_means_of_means_are_another_number_where_shards_are_unequal():
    x = data(100, 1) + np.where(np.arange(100) < 96, 0, 4)[:, None].astype(np.float32)
    parts = [x[a:b].astype(float) for a, b in ((0, 32), (32, 64), (64, 96), (96, 100))]
    true = np.concatenate(parts).mean()
    for _, mean, _ in in_context(3, 100, lambda context, mine: context.moments(x[mine])):
        np.testing.assert_allclose(mean[0], true, rtol=1e-6)
    unweighted = np.mean([part.mean() for part in parts])
    assert abs(unweighted - true) > 0.5


@pytest.mark.parametrize("rows", [5, 100])
def test_means_of_shard_means_are_another_number_in_our_own_shards(rows):
    x = data(rows, 3) + np.arange(rows, dtype=np.float32)[:, None]
    bounds = shard_bounds(rows, 8)
    with np.errstate(invalid="ignore"):
        means = [np.divide(x[a:b].sum(axis=0), b - a) for a, b in pairwise(bounds)]
    ((_, mean, _),) = in_context(1, rows, lambda context, mine: context.moments(x[mine]))
    np.testing.assert_allclose(mean, x.mean(axis=0), rtol=1e-5)
    assert not np.allclose(np.mean(means, axis=0), mean, rtol=1e-3)  # NaN where a shard is empty


def test_axes_that_are_not_next_to_the_rows_are_refused():
    with pytest.raises(
        ValueError, match=r"^moments: axes must be \(1, …, k\), next to the rows; got \(2,\)$"
    ):
        alone(4).moments(np.zeros((4, 2, 3), np.float32), axes=(2,))


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_moments_carry_a_complex_step(dtype):
    """The derivative of mean and variance along v, from x + i·h·v."""
    x, v = data(61, 3, dtype="float64"), data(61, 3, dtype="float64", seed=1)
    h = 1e-4 if dtype == "complex64" else 1e-20
    z = (x + 1j * h * v).astype(dtype)
    for _, mean, variance in in_context(3, 61, lambda context, mine: context.moments(z[mine])):
        assert mean.dtype == variance.dtype == np.complex128
        rtol = 1e-4 if dtype == "complex64" else 1e-12
        np.testing.assert_allclose(mean.imag / h, v.mean(axis=0), rtol=rtol)
        slope = (2 * (x - x.mean(axis=0)) * v).mean(axis=0)
        np.testing.assert_allclose(variance.imag / h, slope, rtol=rtol * 100, atol=rtol)
