"""Monte-Carlo dropout: masks on, nothing trained; mean and spread over the draws."""

from __future__ import annotations

import numpy as np
import pytest

import dtrain
from dtrain.errors import ConfigError
from tests.support import assert_other_bits, assert_same_bits, refused

X = np.random.default_rng(3).standard_normal((21, 4))

LINEAR = {
    "network": [{"name": "dropout", "rate": 0.25}, {"name": "dense", "units": 3}],
    "loss": {"name": "mse"},
    "train": {"epochs": 1, "batch_size": 16},
}


@pytest.fixture
def linear(trained, elsewhere):
    """Dropout before a single linear layer: mean and variance have a closed form."""
    x = np.random.default_rng(0).standard_normal((80, 4))
    np.savez(elsewhere / "points.npz", x=x, y=x[:, :3])
    return dtrain.load(trained(LINEAR))


def test_mean_and_spread_come_near_those_of_all_masks(linear):
    mean, spread = linear.predict(X, draws=4000)
    w = linear.parameters["dense_1.weight"].astype(float)
    expected = np.sqrt(X**2 @ w**2 * 0.25 / 0.75)  # each xᵢwᵢ is kept with 3/4, and then 4/3 of it
    np.testing.assert_allclose(spread, expected, rtol=0.1, atol=1e-6)
    assert (np.abs(mean - linear.predict(X)) < 5 * expected / np.sqrt(4000) + 1e-5).all()
    assert (mean.dtype, spread.dtype) == (np.float32, np.float32)


@pytest.mark.parametrize("draws", [1, 2, 7])
def test_they_are_those_of_the_draws_one_by_one(draws, linear):
    mean, spread = linear.predict(X, draws=draws)
    sums = [linear.predict(X, draws=n)[0].astype(float) * n for n in range(draws + 1) if n]
    each = np.diff(np.stack([np.zeros_like(sums[0]), *sums]), axis=0)  # the n-th draw alone
    np.testing.assert_allclose(mean, each.mean(axis=0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(spread, each.std(axis=0), rtol=1e-3, atol=1e-5)
    assert (spread > 0).any() == (draws > 1)


def test_every_call_draws_the_same(linear):
    assert_same_bits(linear.predict(X, draws=3)[0], linear.predict(X, draws=3)[0])


def masks(model, rows=40):
    """What the first draw keeps of each sample."""
    return model.predict(np.ones((rows, 4)), draws=1, layer="dropout_1")[0] != 0


def test_a_mask_belongs_to_the_seed_and_the_samples_place_in_the_input(trained, linear):
    kept = masks(linear)
    assert 0.6 < kept.mean() < 0.9
    assert len(np.unique(kept, axis=0)) > 5
    assert_same_bits(masks(linear, 17), kept[:17])
    assert_other_bits(kept[17:34], kept[:17])
    other = dtrain.load(trained({**LINEAR, "seed": 1}, "other"))
    assert_other_bits(masks(other), kept)


def test_batch_norm_keeps_to_its_running_statistics(trained):
    model = dtrain.load(trained())
    before = model.states
    shifted, _ = model.predict(X + 5, draws=2)
    mean, spread = model.predict(X, draws=2)
    for name, value in model.states.items():
        assert_same_bits(value, before[name])
    assert_other_bits(shifted, mean)
    assert (spread > 0).any()
    assert_other_bits(mean, model.predict(X))


def test_up_to_the_dropout_nothing_is_drawn(trained):
    model = dtrain.load(trained())
    mean, spread = model.predict(X, draws=3, layer="dropout_1")
    assert mean.shape == (21, 6)
    assert (spread > 0).any()
    with refused(
        ConfigError,
        "draws: expected a network with a layer that draws random numbers, such as dropout, got none; "
        "all draws would be the same",
    ):
        model.predict(X, draws=3, layer="tanh_1")


def test_noise_is_drawn_too(trained):
    network = [{"name": "gaussian_noise", "std": 0.5}, {"name": "dense", "units": 3}]
    model = dtrain.load(trained({"network": network, "train.epochs": 1}))
    assert (model.predict(X, draws=5)[1] > 0).all()
    assert_same_bits(model.predict(X), model.predict(X))
