from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from scipy.linalg import fractional_matrix_power
from sklearn.decomposition import PCA

from dtrain_plugins.layers.dense import Dense
from dtrain_plugins.layers.whiten import Whiten
from tests.plugins.fitting import alone, digests, given
from tests.plugins.support import check_gradients, distance, message_of, run_layer, same_bits
from tests.support import MEMORY

RANDOM = np.random.default_rng(43)
X = RANDOM.standard_normal((90, 5)) @ RANDOM.standard_normal((5, 5)) + [0, 10, -3, 1, 5]
EPSILON = 1e-12
N = len(X)


@pytest.mark.parametrize("components", [None, 1, 3])
def test_pca_agrees_with_scikit_learn(components):
    """Up to the sign of a column, and to the n − 1 in place of n."""
    replica = alone(Whiten("pca", EPSILON, components), x=X)
    y = given(replica, X)
    expected = PCA(components, whiten=True, svd_solver="full").fit_transform(X) * np.sqrt(N / (N - 1))
    assert distance(y * np.sign(y[0]), expected * np.sign(expected[0])) < 1e-9
    _, matrix = replica.network.states
    assert (matrix.value[np.abs(matrix.value).argmax(axis=0), range(matrix.value.shape[1])] > 0).all()


def test_zca_is_the_inverse_root_of_the_covariance():
    covariance = np.cov(X, rowvar=False, bias=True)
    expected = (X - X.mean(axis=0)) @ fractional_matrix_power(covariance, -0.5)
    assert distance(given(alone(Whiten(epsilon=EPSILON), x=X), X), expected) < 1e-9


def test_epsilon_is_added_to_the_eigenvalues():
    damped = np.cov(X, rowvar=False, bias=True) + 0.5 * np.eye(5)
    expected = (X - X.mean(axis=0)) @ fractional_matrix_power(damped, -0.5)
    assert distance(given(alone(Whiten(epsilon=0.5), x=X), X), expected) < 1e-12


@pytest.mark.parametrize("mode", ["zca", "pca"])
@pytest.mark.parametrize("shift", [0.0, 1e3])
def test_what_comes_out_is_uncorrelated_also_in_float32_far_from_zero(mode, shift):
    x = (X + shift).astype(np.float32)
    y = given(alone(Whiten(mode), x=x), x).astype(np.float64)
    assert np.abs(y.mean(axis=0)).max() < 1e-4
    assert np.abs(np.cov(y, rowvar=False, bias=True) - np.eye(5)).max() < 1e-2
    assert np.abs(np.cov(x, rowvar=False) - np.eye(5)).max() > 1


def test_a_direction_of_no_variance_becomes_0():
    x = X.copy()
    x[:, 4] = x[:, 0]
    y = given(alone(Whiten("pca"), x=x), x)
    assert np.abs(y[:, 4]).max() < 1e-9
    assert y[:, :4].std(axis=0) == pytest.approx(1, rel=1e-3)


def test_signs_are_those_of_the_largest_component_and_of_the_first_of_equal_ones():
    flipped = [given(alone(Whiten("pca", EPSILON), x=s * X), X) for s in (1, -1)]
    assert distance(*flipped) > 0.1  # μ has another sign
    columns = [alone(Whiten("pca", EPSILON), x=s * X).network.states[1].value for s in (1, -1)]
    assert distance(*columns) < 1e-9
    x = np.array([[1.0, -1], [-1, 1], [0.1, 0.1], [-0.1, -0.1]])  # along (1, −1), equal in size
    first = alone(Whiten("pca", EPSILON), x=x).network.states[1].value[:, 0]
    assert first[0] > 0 > first[1]


@MEMORY
@pytest.mark.parametrize("ranks", [2, 3, 5])
def test_any_ranks_learn_the_same_bits(ranks, share_memory):
    x = X.astype(np.float32)

    def layers():
        return [Whiten(), Dense(4), Whiten("pca", components=2)]

    assert digests(layers, x, ranks, share_memory) == digests(layers, x, 1, True) * ranks


@pytest.mark.parametrize("make", [Whiten, partial(Whiten, "pca"), partial(Whiten, "pca", 0.1, 2)])
def test_before_it_has_learned_it_passes_features_on(make):
    y = run_layer(make, X, X[:, : make().components or 5]).y
    same_bits(y, np.ascontiguousarray(X[:, : y.shape[1]]))


@pytest.mark.parametrize("components", [None, 2])
def test_its_gradient_is_exact(components):
    matrix = RANDOM.standard_normal((5, components or 5))
    check_gradients(
        partial(Whiten, "pca", components=components),
        X[:3],
        RANDOM.standard_normal((3, matrix.shape[1])),
        states={"mean": X.mean(axis=0), "matrix": matrix},
        tolerance=1e-13,
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epsilon": 0.0}, "epsilon must be positive, got 0.0"),
        ({"components": 2}, 'components is an option of mode "pca", got 2 with mode "zca"'),
        ({"mode": "pca", "components": 0}, "components must be at least 1, got 0"),
    ],
)
def test_refuses_options_out_of_range(options, message):
    assert message_of(ValueError, lambda: Whiten(**options)) == message


def test_refuses_samples_that_do_not_fit():
    expected = "whiten takes samples of one dimension, got (2, 3); put a flatten layer before it"
    assert message_of(ValueError, lambda: Whiten().build((2, 3), None)) == expected
    expected = "components must be at most the 5 features of a sample, got 6"
    assert message_of(ValueError, lambda: Whiten("pca", components=6).build((5,), None)) == expected
