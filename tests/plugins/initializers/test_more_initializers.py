"""The initializers whose formulas are a variance, a bound or a number, in one table; and their options."""

from __future__ import annotations

from math import prod, sqrt

import numpy as np
import pytest
from scipy import stats

from dtrain import Stream
from dtrain_plugins.initializers.constant import Constant
from dtrain_plugins.initializers.fan_in_uniform import FanInUniform
from dtrain_plugins.initializers.glorot_normal import GlorotNormal
from dtrain_plugins.initializers.he_uniform import HeUniform
from dtrain_plugins.initializers.lecun_normal import LecunNormal
from dtrain_plugins.initializers.lecun_uniform import LecunUniform
from dtrain_plugins.initializers.orthogonal import Orthogonal
from dtrain_plugins.initializers.quantile import normal_quantile
from dtrain_plugins.initializers.truncated_normal import TruncatedNormal
from dtrain_plugins.initializers.uniform import Uniform
from tests.plugins.support import distance, message_of

FANS = pytest.mark.parametrize("fans", [(200, 300), (3, 1000), (27, 64)], ids=str)


def drawn(initializer, shape=(200, 300), fans=(200, 300), seed=0, name="w"):
    values = initializer(shape, fans, Stream(seed, "init", name))
    assert values.shape == shape
    assert values.dtype == np.float64
    assert values.flags.c_contiguous
    return values


def check_law(values, law):
    """Mean and variance to five standard errors of the law's own moments, and the whole distribution."""
    mean, variance, excess = (float(moment) for moment in law.stats("mvk"))
    assert abs(values.mean() - mean) < 5 * sqrt(variance / values.size)
    assert abs(values.var() / variance - 1) < 5 * sqrt((excess + 2) / values.size)
    assert stats.kstest(values.ravel(), law.cdf).pvalue > 1e-3


@FANS
@pytest.mark.parametrize(
    ("make", "variance"),
    [
        (FanInUniform, lambda n_in, n_out: 1 / (3 * n_in)),
        (LecunUniform, lambda n_in, n_out: 1 / n_in),
        (HeUniform, lambda n_in, n_out: 2 / n_in),
    ],
)
def test_uniform_ones_fill_an_interval_of_their_variance(make, variance, fans):
    bound = sqrt(3 * variance(*fans))  # the variance of U[±a] is a²/3
    values = drawn(make(), fans=fans)
    check_law(values, stats.uniform(-bound, 2 * bound))
    assert 0.999 * bound < np.abs(values).max() <= bound


@FANS
@pytest.mark.parametrize(
    ("make", "variance"),
    [
        (LecunNormal, lambda n_in, n_out: 1 / n_in),
        (GlorotNormal, lambda n_in, n_out: 2 / (n_in + n_out)),
    ],
)
def test_normal_ones_have_their_variance_and_are_not_truncated(make, variance, fans):
    std = sqrt(variance(*fans))
    values = drawn(make(), fans=fans)
    check_law(values, stats.norm(0, std))
    assert np.abs(values).max() > 3.5 * std


def test_uniform_fills_its_interval():
    check_law(drawn(Uniform()), stats.uniform(-0.05, 0.1))
    check_law(drawn(Uniform(2.0, 5.0)), stats.uniform(2, 3))
    assert (drawn(Uniform(1.5, 1.5)) == 1.5).all()


@pytest.mark.parametrize(("options", "mean", "std"), [((), 0, 0.05), ((-3.0, 2.0), -3, 2)])
def test_truncated_normal_is_a_normal_distribution_cut_at_two_standard_deviations(options, mean, std):
    values = drawn(TruncatedNormal(*options))
    check_law(values, stats.truncnorm(-2, 2, mean, std))
    assert values.std() == pytest.approx(0.87963 * std, rel=0.01)
    assert np.abs(values - mean).max() <= 2 * std
    assert np.abs(values - mean).max() > 1.99 * std


def test_truncated_normal_without_spread_is_its_mean():
    assert (drawn(TruncatedNormal(2.5, 0.0)) == 2.5).all()


def test_normal_quantile_has_full_precision():
    p = np.concatenate([np.linspace(0.001, 0.999, 9_999), [0.075, 0.925, 0.5]])
    assert normal_quantile(p) == pytest.approx(stats.norm.ppf(p), rel=1e-13, abs=1e-15)
    assert normal_quantile(np.array([0.5]))[0] == 0


def test_constant_fills_any_shape_with_one_number():
    for shape in [(), (4,), (2, 3, 4)]:
        assert (drawn(Constant(), shape) == 0).all()
        assert (drawn(Constant(-1.5), shape) == -1.5).all()


@pytest.mark.parametrize("gain", [1.0, 2.5, -0.5])
@pytest.mark.parametrize(
    "shape", [(40, 40), (50, 20), (20, 50), (3, 3, 4, 10), (2, 2, 1, 10), (5,), ()], ids=str
)
def test_orthogonal_has_orthonormal_columns_or_rows(shape, gain):
    w = drawn(Orthogonal(gain), shape)
    w = w.reshape(prod(shape[:-1]), shape[-1] if shape else 1)
    gram = w.T @ w if w.shape[0] >= w.shape[1] else w @ w.T
    assert distance(gram, gain**2 * np.eye(min(w.shape))) < 1e-14


def test_orthogonal_has_gain_1_by_default():
    assert np.linalg.norm(drawn(Orthogonal(), (7,))) == pytest.approx(1)
    w = drawn(Orthogonal(), (64, 64))
    assert np.linalg.det(w) ** 2 == pytest.approx(1)


def test_orthogonal_matrices_are_all_equally_likely():
    """Of Haar's measure, an element of an n×n matrix has mean 0 and variance 1/n, and the trace mean 0 and
    variance 1. Without the signs of R's diagonal, LAPACK's own matrices have a trace far below 0."""
    draws = np.array([drawn(Orthogonal(), (4, 4), seed=seed) for seed in range(2000)])
    assert np.abs(draws.mean(axis=0)).max() < 5 * sqrt(1 / 4 / 2000)
    assert np.abs(draws.var(axis=0) - 1 / 4).max() < 0.05
    trace = np.trace(draws, axis1=1, axis2=2)
    assert abs(trace.mean()) < 5 / sqrt(2000)
    assert trace.var() == pytest.approx(1, abs=0.2)
    assert (np.linalg.det(draws) > 0).mean() == pytest.approx(0.5, abs=0.06)


@pytest.mark.parametrize(
    "make",
    [FanInUniform, LecunUniform, HeUniform, LecunNormal, GlorotNormal, Uniform, TruncatedNormal, Orthogonal],
)
@pytest.mark.parametrize("shape", [(7,), (3, 5), (3, 3, 2, 4)], ids=str)
def test_values_are_a_function_of_seed_and_name(make, shape):
    values = drawn(make(), shape)
    assert (values == drawn(make(), shape)).all()
    assert (values != drawn(make(), shape, seed=1)).all()
    assert (values != drawn(make(), shape, name="v")).all()
    assert len(np.unique(values)) == values.size


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Uniform(1.0, 0.5), "high must be at least low, 1.0, got 0.5"),
        (lambda: TruncatedNormal(std=-1.0), "std must be at least 0, got -1.0"),
        (lambda: Orthogonal(0.0), "gain must not be 0, got 0.0"),
    ],
)
def test_refuses_options_out_of_range(make, message):
    assert message_of(ValueError, make) == message
