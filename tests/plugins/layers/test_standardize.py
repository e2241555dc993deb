from __future__ import annotations

import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from dtrain_plugins.layers.dense import Dense
from dtrain_plugins.layers.standardize import Standardize
from tests.plugins.fitting import alone, digests, given
from tests.plugins.support import check_gradients, distance, message_of, run_layer, same_bits
from tests.support import MEMORY

RANDOM = np.random.default_rng(41)
X = RANDOM.standard_normal((53, 4)) * [1, 10, 0.01, 3] + [0, -7, 2, 100]


def test_it_agrees_with_scikit_learn():
    scaler = StandardScaler().fit(X)
    replica = alone(Standardize(), x=X)
    mean, std = replica.network.states
    assert (mean.name, std.name) == ("layer_1.mean", "layer_1.std")
    assert distance(mean.value, scaler.mean_) < 1e-14
    assert distance(std.value, scaler.scale_) < 1e-14
    other = RANDOM.standard_normal((5, 4))
    assert distance(given(replica, X), scaler.transform(X)) < 1e-13
    assert distance(given(replica, other), scaler.transform(other)) < 1e-13


def test_the_mean_of_the_batches_is_another_number():
    """A negative control: the last batch is smaller."""
    parts = [X[a : a + 16].mean(axis=0) for a in range(0, 53, 16)]
    assert distance(np.mean(parts, axis=0), X.mean(axis=0)) > 1e-4


def test_features_are_those_of_all_places():
    x = 5 + 2 * RANDOM.standard_normal((20, 3, 2, 4))
    y = given(alone(Standardize(), x=x), x).reshape(-1, 4)
    assert np.abs(y.mean(axis=0)).max() < 1e-13
    assert y.std(axis=0) == pytest.approx(1, rel=1e-13)


def test_epsilon_is_added_to_the_variance():
    expected = (X - X.mean(axis=0)) / np.sqrt(X.var(axis=0) + 0.5)
    assert distance(given(alone(Standardize(0.5), x=X), X), expected) < 1e-13


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("constant", [0.0, 0.1, -7e4, 1e-30, 1e30])
def test_a_constant_feature_becomes_0_whatever_it_is_later(constant, dtype):
    x = X.astype(dtype)
    x[:, 1] = constant
    replica = alone(Standardize(), x=x)
    assert replica.network.states[1].value[1] == 0
    x[0, 1] = 5
    y = given(replica, x)
    assert (y[:, 1] == 0).all()
    assert np.isfinite(y).all()
    assert y[:, 0].std() == pytest.approx(1, rel=1e-2)


def test_a_training_set_of_one_sample_becomes_0():
    assert (given(alone(Standardize(), x=X[:1]), X) == 0).all()


@pytest.mark.parametrize("ratio", [1e2, 1e4, 1e6])
def test_a_mean_far_from_zero_does_not_reach_the_result(ratio):
    """x + ratio has the y of x, as far as float32 holds x + ratio at all."""
    x = (RANDOM.standard_normal((64, 5)) + ratio).astype(np.float32)
    exact = x.astype(np.float64)
    exact = (exact - exact.mean(axis=0)) / exact.std(axis=0)
    assert distance(given(alone(Standardize(), x=x), x), exact) < 1e-6
    naive = (x - x.mean(axis=0)) / np.sqrt(np.maximum((x * x).mean(axis=0) - x.mean(axis=0) ** 2, 1e-12))
    assert ratio < 1e4 or distance(naive, exact) > 1e-2


@MEMORY
@pytest.mark.parametrize("ranks", [2, 3, 5])
def test_any_ranks_learn_the_same_bits(ranks, share_memory):
    x = X.astype(np.float32)

    def layers():
        return [Standardize(), Dense(3), Standardize(0.1)]

    assert digests(layers, x, ranks, share_memory) == digests(layers, x, 1, True) * ranks


def test_before_it_has_learned_it_is_the_identity():
    same_bits(run_layer(Standardize, X, X).y, X)


def test_its_gradient_is_exact():
    learned = {"mean": X.mean(axis=0), "std": X.std(axis=0)}
    passed = check_gradients(
        Standardize, X[:3], RANDOM.standard_normal((3, 4)), states=learned, tolerance=1e-14
    )
    assert distance(passed.y, (X[:3] - X.mean(axis=0)) / X.std(axis=0)) < 1e-13


def test_refuses_what_is_out_of_range():
    assert message_of(ValueError, lambda: Standardize(-1e-9)) == "epsilon must be at least 0, got -1e-09"
    expected = "standardize takes samples of at least one dimension, got ()"
    assert message_of(ValueError, lambda: Standardize().build((), None)) == expected
