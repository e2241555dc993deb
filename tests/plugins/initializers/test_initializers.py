"""The random initializers against the moments and bounds that their papers give, and the constant ones."""

from __future__ import annotations

from math import prod, sqrt

import numpy as np
import pytest
from scipy import stats

from dtrain import Stream
from dtrain_plugins.initializers.glorot_uniform import GlorotUniform
from dtrain_plugins.initializers.he_normal import HeNormal
from dtrain_plugins.initializers.normal import Normal
from dtrain_plugins.initializers.ones import Ones
from dtrain_plugins.initializers.zeros import Zeros
from tests.plugins.support import message_of

SHAPE = (200, 300)
COUNT = prod(SHAPE)


def drawn(initializer, shape=SHAPE, fans=(200, 300), seed=0, name="w"):
    values = initializer(shape, fans, Stream(seed, "init", name))
    assert values.shape == shape
    assert values.dtype == np.float64
    return values


def check_moments(values, mean, variance, kurtosis):
    """To five standard errors: of the mean √(σ²/n), of the variance σ²·√((κ−1)/n)."""
    assert abs(values.mean() - mean) < 5 * sqrt(variance / values.size)
    assert abs(values.var() / variance - 1) < 5 * sqrt((kurtosis - 1) / values.size)


@pytest.mark.parametrize("fans", [(200, 300), (3, 1000), (27, 64)])
def test_glorot_uniform_fills_its_interval_evenly(fans):
    values = drawn(GlorotUniform(), fans=fans)
    bound = sqrt(6 / (fans[0] + fans[1]))
    assert np.abs(values).max() < bound
    assert values.min() < -0.999 * bound
    assert values.max() > 0.999 * bound
    check_moments(values, 0, 2 / (fans[0] + fans[1]), 9 / 5)
    assert stats.kstest(values.ravel(), stats.uniform(-bound, 2 * bound).cdf).pvalue > 1e-3


@pytest.mark.parametrize("fans", [(200, 300), (3, 1000), (27, 64)])
def test_he_normal_has_variance_2_over_n_in(fans):
    values = drawn(HeNormal(), fans=fans)
    check_moments(values, 0, 2 / fans[0], 3)
    assert stats.kstest(values.ravel(), stats.norm(0, sqrt(2 / fans[0])).cdf).pvalue > 1e-3
    assert np.abs(values).max() > 3.5 * sqrt(2 / fans[0])  # not truncated


@pytest.mark.parametrize(("mean", "std"), [(0.0, 1.0), (-3.0, 0.01), (1.0, 5.0)])
def test_normal_has_the_asked_moments(mean, std):
    values = drawn(Normal(mean, std))
    check_moments(values, mean, std**2, 3)
    assert stats.kstest(values.ravel(), stats.norm(mean, std).cdf).pvalue > 1e-3


def test_normal_is_narrow_around_zero_by_default():
    check_moments(drawn(Normal()), 0, 0.05**2, 3)


def test_normal_without_spread_is_its_mean():
    assert (drawn(Normal(2.5, 0.0)) == 2.5).all()


@pytest.mark.parametrize(("make", "value"), [(Zeros, 0), (Ones, 1)])
@pytest.mark.parametrize("shape", [(), (4,), (2, 3, 4)], ids=str)
def test_constants_fill_any_shape(make, value, shape):
    assert (drawn(make(), shape) == value).all()


@pytest.mark.parametrize("make", [GlorotUniform, HeNormal, Normal])
@pytest.mark.parametrize("shape", [(1,), (7,), (3, 5), (3, 3, 2, 4)], ids=str)
def test_values_are_a_function_of_seed_and_name(make, shape):
    values = drawn(make(), shape)
    assert (values == drawn(make(), shape)).all()
    assert (values != drawn(make(), shape, seed=1)).all()
    assert (values != drawn(make(), shape, name="v")).all()
    assert len(np.unique(values)) == values.size


def test_normal_refuses_a_negative_spread():
    assert message_of(ValueError, lambda: Normal(std=-1.0)) == "std must be at least 0, got -1.0"
