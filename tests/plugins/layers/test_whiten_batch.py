"""Decorrelated batch normalization: the whole batch's covariance becomes the unit matrix."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from scipy.linalg import inv, sqrtm

from dtrain_plugins.layers.batch_norm import BatchNorm
from dtrain_plugins.layers.whiten_batch import WhitenBatch
from tests.plugins.support import STEP, distance, message_of, run_layer, same_bits

GAMMA = np.array([1.5, -0.7, 2.0])
BETA = np.array([0.3, 1.1, -2.0])
OLD_MEAN = np.array([0.5, -1.0, 4.0])
OLD_COVARIANCE = np.array([[2.0, 0.3, -0.5], [0.3, 1.0, 0.2], [-0.5, 0.2, 3.0]])
MIX = np.array([[1.0, 0.5, -0.3], [0.0, 0.8, 0.4], [0.2, 0.0, 1.5]])
SIZES = {"one": (12,), "uneven": (5, 5, 5, 4, 4), "empty": (5, 0, 3, 0, 0, 1, 0, 2), "rows": (1, 1, 1, 1, 1)}
sizes_of = pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)


def batch(rows, *places, mean=0.0, dtype=np.float64):
    """Correlated features; rows in order of size, so that no shard looks like the batch."""
    random = np.random.Generator(np.random.Philox(rows))
    x = np.sort(random.standard_normal((rows, *places, 3)), axis=0)[..., ::1] + random.standard_normal(
        (rows, *places, 3)
    )
    return (x @ MIX + mean).astype(dtype), random.standard_normal(x.shape).astype(dtype)


def run(x, dy=None, make=WhitenBatch, **options):
    options = {
        "values": {"gamma": GAMMA, "beta": BETA},
        "states": {"mean": OLD_MEAN, "covariance": OLD_COVARIANCE},
    } | options
    return run_layer(make, x, dy, **options)


def inverse_root(a):
    """a^(−½) by the iteration of Denman & Beavers (1976): no eigenvalues, and right for complex steps."""
    y, z = a, np.eye(len(a), dtype=a.dtype)
    for _ in range(40):
        y, z = (y + np.linalg.inv(z)) / 2, (z + np.linalg.inv(y)) / 2
    return z


def forward(x, gamma, beta, epsilon):
    flat = x.reshape(-1, x.shape[-1])
    xc = flat - flat.sum(axis=0) / len(flat)
    covariance = xc.T @ xc / len(flat) + epsilon * np.eye(x.shape[-1])
    return ((xc @ inverse_root(covariance)) * gamma + beta).reshape(x.shape)


def derivative(of, at, dy):
    """∂Σ(y·dy)/∂at, element by element, by complex steps."""
    expected = np.zeros_like(at)
    for place in np.ndindex(*at.shape):
        moved = at.astype(complex)
        moved[place] += 1j * STEP
        expected[place] = (of(moved) * dy).sum().imag / STEP
    return expected


def check(x, dy, sizes, tolerance, gamma=GAMMA, beta=BETA, epsilon=1e-5, **options):
    passed = run(x, dy, partial(WhitenBatch, epsilon=epsilon), sizes=sizes, **options)
    wide = x.astype(float)
    assert distance(passed.y, forward(wide, gamma, beta, epsilon)) < tolerance
    assert distance(passed.dx, derivative(lambda v: forward(v, gamma, beta, epsilon), wide, dy)) < tolerance
    of_gamma = derivative(lambda v: forward(wide, v, beta, epsilon), gamma, dy)
    assert distance(passed.gradients["gamma"], of_gamma) < tolerance
    assert distance(passed.gradients["beta"], dy.astype(float).reshape(-1, 3).sum(axis=0)) < tolerance


@pytest.mark.parametrize("ranks", [None, 3])
@pytest.mark.parametrize(
    ("mean", "dtype", "tolerance"),
    [(0.0, "f4", 1e-5), (1000.0, "f4", 1e-4), (0.0, "f8", 1e-10), (1000.0, "f8", 1e-8)],
)
@sizes_of
def test_whitens_and_differentiates_through_the_covariance(sizes, mean, dtype, tolerance, ranks):
    x, dy = batch(sum(sizes), mean=mean, dtype=dtype)
    if ranks is not None and len(sizes) < ranks:
        sizes = (*sizes, 0, 0)
    check(x, dy, sizes, tolerance, ranks=ranks)


def test_takes_the_places_of_an_image_as_rows():
    x, dy = batch(6, 2, 2)
    check(x, dy, (3, 0, 3), 1e-10, ranks=2)


@pytest.mark.parametrize("sizes", [(2,), (1, 0, 1), (3, 1)], ids=str)
def test_fewer_rows_than_features_are_whitened_as_far_as_epsilon_lets(sizes):
    x, dy = batch(sum(sizes))
    check(x, dy, sizes, 1e-9, epsilon=0.1)


@pytest.mark.parametrize("scales", [(1.0, 1.0, 1.0), (1.0, 1.0, 3.0), (1.0, 1.0 + 1e-9, 1.0 - 1e-9)], ids=str)
def test_equal_eigenvalues_have_the_derivative_of_their_neighbours(scales):
    """Columns without correlation: eigenvectors, and their own derivatives, are undefined there."""
    x = np.array([[1.0, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) * scales
    dy = batch(4)[1]
    check(x, dy, (3, 1), 1e-10)


def test_leaves_features_uncorrelated_and_as_close_as_can_be():
    x = batch(200)[0]
    make = partial(WhitenBatch, scale=False, offset=False)
    y = run_layer(make, x, sizes=(100, 100), ranks=2).y
    np.testing.assert_allclose(np.cov(y.T, ddof=0), np.eye(3), atol=2e-4)
    np.testing.assert_allclose(y.mean(axis=0), 0, atol=1e-13)
    covariance = np.cov(x.T, ddof=0) + 1e-5 * np.eye(3)
    assert distance(y, (x - x.mean(axis=0)) @ inv(sqrtm(covariance))) < 1e-10
    # The negative controls: batch norm leaves the correlations; half the batch has others.
    standard = run_layer(partial(BatchNorm, scale=False, offset=False), x).y
    assert np.abs(np.cov(standard.T, ddof=0) - np.eye(3)).max() > 0.1
    assert distance(np.concatenate([run_layer(make, half).y for half in np.split(x, 2)]), y) > 0.1


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


@sizes_of
def test_running_statistics_move_towards_mean_and_unbiased_covariance(sizes):
    x, _ = batch(sum(sizes), mean=3.0)
    states = run(x, make=partial(WhitenBatch, momentum=0.25), sizes=sizes).states
    assert distance(states["mean"], 0.75 * OLD_MEAN + 0.25 * x.mean(axis=0)) < 1e-13
    assert distance(states["covariance"], 0.75 * OLD_COVARIANCE + 0.25 * np.cov(x.T)) < 1e-13


def test_inference_whitens_each_row_by_the_running_statistics():
    x, dy = batch(10, mean=2.0)
    passed = run(x, dy, sizes=(6, 4), ranks=2, training=False)
    matrix = inv(sqrtm(OLD_COVARIANCE + 1e-5 * np.eye(3)))
    assert distance(passed.y, (x - OLD_MEAN) @ matrix * GAMMA + BETA) < 1e-12
    assert distance(passed.dx, (dy * GAMMA) @ matrix) < 1e-12
    same_bits(passed.states, {"mean": OLD_MEAN, "covariance": OLD_COVARIANCE})
    assert distance(run(x[3:4], training=False).y, passed.y[3:4]) < 1e-14
    fresh = run_layer(WhitenBatch, x, training=False)
    assert distance(fresh.y, x / np.sqrt(1 + 1e-5)) < 1e-14


def test_one_row_gives_the_offset_and_no_gradient():
    x, dy = batch(1, mean=5.0)
    passed = run(x, dy, sizes=(0, 1, 0), ranks=2)
    same_bits(passed.y, BETA[None])
    assert not passed.dx.any()
    same_bits(passed.states, {"mean": OLD_MEAN, "covariance": OLD_COVARIANCE})


@pytest.mark.parametrize("value", [0.0, 7.0, 1e6, -0.1])
def test_constant_and_dependent_features_stay_finite(value):
    x, dy = batch(50, dtype=np.float32)
    x[:, 1] = value
    x[:, 2] = 2 * x[:, 0]
    passed = run(x, dy, sizes=(20, 20, 10), ranks=2)
    assert np.abs(passed.y[:, 1] - BETA[1]).max() < 1e-2
    assert np.isfinite(passed.dx).all()


def test_no_rows_at_all_change_nothing():
    nothing = np.zeros((0, 3))
    passed = run(nothing, nothing, sizes=(0, 0, 0), ranks=2)
    same_bits(passed.states, {"mean": OLD_MEAN, "covariance": OLD_COVARIANCE})
    assert not any(g.any() for g in passed.gradients.values())


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_a_batch_that_is_not_finite_gives_what_is_not_finite_on_all_ranks():
    """The step finds it there, on every rank, and says so; an error of LAPACK's would name nothing."""
    x, dy = batch(12)
    x[2, 1] = np.nan
    passed = run(x, dy, sizes=(6, 6), ranks=2)
    assert np.isnan(passed.y).all()
    assert np.isnan(passed.dx).all()


def test_meets_twice_forward_and_once_backward():
    x, dy = batch(20)
    assert run(x, dy, sizes=(4,) * 5, ranks=3).calls == [{"allgather": 2}, {"allgather": 1}]


@pytest.mark.parametrize(("scale", "offset"), [(True, False), (False, True), (False, False)])
def test_scale_and_offset_can_each_be_left_out(scale, offset):
    x, dy = batch(9)
    values = ({"gamma": GAMMA} if scale else {}) | ({"beta": BETA} if offset else {})
    passed = run(x, dy, partial(WhitenBatch, scale=scale, offset=offset), values=values, sizes=(5, 4))
    assert passed.gradients.keys() == values.keys()
    gamma, beta = GAMMA if scale else np.ones(3), BETA if offset else np.zeros(3)
    assert distance(passed.y, forward(x, gamma, beta, 1e-5)) < 1e-10
    assert distance(passed.dx, derivative(lambda v: forward(v, gamma, beta, 1e-5), x, dy)) < 1e-10


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: WhitenBatch(momentum=0.0), "momentum must be in (0, 1], got 0.0"),
        (lambda: WhitenBatch(momentum=1.5), "momentum must be in (0, 1], got 1.5"),
        (lambda: WhitenBatch(epsilon=0.0), "epsilon must be positive, got 0.0"),
        (
            lambda: WhitenBatch().build((), None),
            "whiten_batch takes samples of at least one dimension, got ()",
        ),
    ],
)
def test_refuses_options_out_of_range_and_samples_without_a_dimension(call, message):
    assert message_of(ValueError, call) == message
