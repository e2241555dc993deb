"""gaussian_noise: noise that belongs to samples."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from scipy import stats

from dtrain_plugins.layers.gaussian_noise import GaussianNoise
from tests.plugins.support import check_gradients, message_of, run_layer, same_bits

X = np.random.Generator(np.random.Philox(0)).standard_normal((40, 21)).astype(np.float32)


def noise(std=1.0, shape=(400, 50), dtype=np.float64, **options):
    return run_layer(partial(GaussianNoise, std), np.zeros(shape, dtype), **options).y


@pytest.mark.parametrize("std", [0.1, 3.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_is_normal_with_the_asked_spread(std, dtype):
    n = noise(std, dtype=dtype).ravel()
    assert n.dtype == dtype
    assert abs(n.mean()) < 5 * std / np.sqrt(n.size)
    assert n.var() == pytest.approx(std**2, rel=5 * np.sqrt(2 / n.size))
    assert stats.kstest(n, stats.norm(0, std).cdf).pvalue > 1e-3


def test_is_added_in_training_and_not_in_inference():
    passed = run_layer(GaussianNoise, X, 3 * X)
    assert (passed.y - X).std() == pytest.approx(0.1, rel=0.1)  # by default
    same_bits(passed.dx, 3 * X)
    used = run_layer(GaussianNoise, X, 3 * X, training=False)
    same_bits(used.y, X)
    same_bits(used.dx, 3 * X)


def test_is_added_where_predictions_are_drawn():
    drawn = run_layer(GaussianNoise, X, training=False, sampling=True)
    assert (drawn.y - X).std() == pytest.approx(0.1, rel=0.1)
    assert np.abs(drawn.y - run_layer(GaussianNoise, X).y).max() > 0.1  # not that of training


def test_std_0_is_the_identity():
    same_bits(run_layer(partial(GaussianNoise, 0.0), X).y, X)


@pytest.mark.parametrize("shape", [(7,), (3, 2, 5), ()], ids=str)
def test_differentiates(shape):
    x, dy = np.random.Generator(np.random.Philox(3)).standard_normal((2, 6, *shape))
    check_gradients(GaussianNoise, x, dy, sizes=(4, 0, 2), tolerance=1e-15)


@pytest.mark.parametrize("width", [1, 3, 8, 21])
def test_is_the_same_on_any_number_of_ranks_and_for_any_batch(width):
    whole = noise(shape=(40, width))
    for ranks in (1, 2, 3, 5):
        same_bits(noise(shape=(40, width), sizes=(0, 20, 3, 3, 14), ranks=ranks), whole)
    same_bits(np.concatenate([noise(shape=(8, width), place=place) for place in range(0, 40, 8)]), whole)
    assert noise(shape=(40, width), dtype=np.float32) == pytest.approx(whole, rel=1e-6)


@pytest.mark.parametrize("other", [{"epoch": 1}, {"seed": 1}, {"name": "other"}, {"place": 400}], ids=str)
def test_other_epochs_seeds_layers_and_samples_have_other_noise(other):
    assert abs(np.corrcoef(noise().ravel(), noise(**other).ravel())[0, 1]) < 5 / np.sqrt(400 * 50)


def test_takes_no_rows():
    assert noise(shape=(0, 3)).shape == (0, 3)


def test_refuses_a_negative_spread():
    assert message_of(ValueError, lambda: GaussianNoise(-0.1)) == "std must be at least 0, got -0.1"
