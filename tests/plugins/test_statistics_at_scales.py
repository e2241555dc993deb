"""Means, variances and covariances over rows, at any scale and any offset, against exact fractions."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest

from dtrain_plugins.datasets.scikit_learn import standardized
from dtrain_plugins.initializers.lsuv import Lsuv
from dtrain_plugins.layers import dtrain_layers
from dtrain_plugins.layers.batch_norm import BatchNorm
from dtrain_plugins.layers.population import population
from dtrain_plugins.layers.scalar_norm import ScalarNorm
from dtrain_plugins.layers.standardize import Standardize
from dtrain_plugins.layers.whiten import Whiten
from dtrain_plugins.layers.whiten_batch import WhitenBatch
from tests.plugins.fitting import alone
from tests.plugins.scales import (
    ALL_SCALES,
    DTYPES,
    EPS,
    OFFSETS,
    RANKS,
    ROWS,
    SCALES,
    fractions,
    numbers,
    offsets_at,
)
from tests.plugins.support import built, examples_of, lone_context, run_layer, same_bits
from tests.support import assert_same_bits, in_context

at_every_scale = pytest.mark.parametrize("scale", ALL_SCALES)
both_dtypes = pytest.mark.parametrize("dtype", DTYPES)


def moments_of(x):
    """Mean and biased variance of each column, exact."""
    columns = [fractions(column) for column in x.reshape(-1, x.shape[-1]).T]
    means = [sum(column) / len(column) for column in columns]
    variances = [
        sum((v - m) ** 2 for v in column) / len(column) for column, m in zip(columns, means, strict=True)
    ]
    return np.array(means, float), np.array(variances, float), means


def tolerance(dtype, offset):
    """Of a variance, relatively: what rounding each number once in its dtype changes, to first order."""
    return 16 * float(np.finfo(dtype).eps) * (1 + 2 * offset)


def check_moments(x, mean, variance, dtype, scale, offset, count=None):
    means, variances, _ = moments_of(x)
    unbiased = 1 if count is None else count / (count - 1)
    eps = float(np.finfo(dtype).eps)
    assert (abs(mean - means) <= 16 * EPS * abs(means) + 16 * eps * np.sqrt(variances)).all()
    assert (abs(variance - unbiased * variances) <= tolerance(dtype, offset) * variances * unbiased).all()


def moments_on_ranks(x, group):
    """Of the global batch x; fails unless all ranks of 1, 2 and 3 have the same bits."""

    def of(context, mine):
        return context.moments(x[mine], group=group)

    found = [result for ranks in RANKS for result in in_context(ranks, len(x), of)]
    for other in found[1:]:
        for a, b in zip(other, found[0], strict=True):
            assert_same_bits(a, b)
    return found[0]


@pytest.mark.parametrize("group", [None, 3])
@both_dtypes
def test_moments_over_all_rows_are_right(dtype, group):
    for scale in SCALES:
        for offset in OFFSETS:
            x = numbers((ROWS, 3), scale, offset, dtype)
            counts, mean, variance = moments_on_ranks(x, group)
            parts = np.split(x, np.cumsum(counts)[:-1])
            for part, m, v in zip(parts, np.atleast_2d(mean), np.atleast_2d(variance), strict=True):
                check_moments(part, m, v, dtype, scale, offset)


def test_squares_about_zero_one_width_up_would_be_seen():
    """Negative control of the moments: Σx² in extended precision leaves nothing of float64 at 10⁹ deviations."""
    x = numbers((ROWS, 3), 1, 1e9, "float64").astype(np.longdouble)
    variance = ((x * x).mean(axis=0) - x.mean(axis=0) ** 2).astype(float)
    _, expected, _ = moments_of(x)
    assert (abs(variance - expected) > 100 * tolerance("float64", 1e9) * expected).any()


def test_columns_near_zero_keep_their_bits_beside_far_ones():
    x = numbers((ROWS, 3), 1, 0, "float64")
    near, far = (np.concatenate([x, x + offset], axis=1) for offset in (0, 1e9))
    (expected,) = in_context(1, ROWS, lambda context, mine: context.moments(near[mine]))
    (found,) = in_context(1, ROWS, lambda context, mine: context.moments(far[mine]))
    for a, b in zip(found[1:], expected[1:], strict=True):
        assert_same_bits(a[:3], b[:3])


def test_moments_of_far_complex_numbers_carry_a_step():
    x, v = numbers((ROWS, 3), 1, 1e9, "float64"), numbers((ROWS, 3), 1, 0, "float64", seed=1)
    for ranks in RANKS:
        for _, mean, variance in in_context(
            ranks, ROWS, lambda c, mine: c.moments(x[mine] + 1e-30j * v[mine])
        ):
            centred = (x.astype(np.longdouble) - x.astype(np.longdouble).mean(axis=0)).astype(float)
            np.testing.assert_allclose(mean.imag / 1e-30, v.mean(axis=0), rtol=1e-12, atol=1e-14)
            np.testing.assert_allclose(
                variance.imag / 1e-30, 2 * (centred * v).mean(axis=0), rtol=1e-6, atol=1e-6
            )


# ---------------------------------------------------------------------- layers with statistics


def after_a_batch(make, statistics=("mean", "variance")):
    """The running statistics after a first batch, of momentum 1 where there is one."""

    def learn(x):
        found = [run_layer(make, x, sizes=[20, 0, 30, len(x) - 50], ranks=n).states for n in RANKS]
        for other in found[1:]:
            same_bits(other, found[0])
        return [found[0][name] for name in statistics]

    return learn


def over_batches(x):
    """`population`, in batches."""
    context = lone_context(20)

    def batches():
        for a in range(0, len(x), 20):
            part = x[a : a + 20]
            context.begin(lone_context(len(part)).layout, training=False, step=0, epoch=0, place=0)
            yield part

    _, mean, variance = population(batches(), context, ())
    return mean, variance


def fitted(make, *names):
    def learn(x):
        states = {s.name.split(".")[1]: s.value for s in alone(make(), x=x).network.states}
        return [states[name] for name in names]

    return learn


def standard(x):
    mean, std = fitted(Standardize, "mean", "std")(x)
    return mean, std**2 * ROWS / (ROWS - 1)


LEARNED = {
    "batch_norm": after_a_batch(lambda: BatchNorm(momentum=1.0)),
    "batch_norm cumulative": after_a_batch(lambda: BatchNorm(statistics="cumulative")),
    "batch_norm window": after_a_batch(lambda: BatchNorm(statistics="cumulative", window=2)),
    "batch_norm exact": over_batches,
    "standardize": standard,
}
OTHERS = {"scalar_norm", "whiten", "whiten_batch"}
"""Whose statistics are no variance of each feature; they are below."""


def test_every_layer_with_statistics_is_here():
    with_states = {
        name
        for name, _, options, extra in examples_of(dtrain_layers())
        if not ({"layers", "branches"} & options.keys())
        and run_layer(
            lambda name=name, options=options: built("layers", name, options),
            np.ones((2, *extra["input"])),
            training=False,
        ).states
    }
    assert with_states == {name.split()[0] for name in LEARNED} | OTHERS


@pytest.mark.parametrize("name", LEARNED)
@both_dtypes
def test_running_statistics_are_right(dtype, name):
    for scale in SCALES:
        for offset in OFFSETS:
            x = numbers((ROWS, 3), scale, offset, dtype)
            check_moments(x, *LEARNED[name](x), dtype, scale, offset, count=ROWS)


@both_dtypes
def test_one_variance_for_all_features_is_right(dtype):
    for scale in SCALES:
        for offset in OFFSETS:
            x = numbers((ROWS, 3), scale, offset, dtype)
            mean, variance = after_a_batch(lambda: ScalarNorm(momentum=1.0))(x)
            check_moments(x.reshape(-1, 1), mean, variance, dtype, scale, offset, count=3 * ROWS)


@pytest.mark.parametrize("make", [Whiten, WhitenBatch], ids=lambda kind: kind.__name__)
@both_dtypes
def test_a_covariance_is_right(dtype, make):
    """By what it whitens: of outputs in extended precision, covariances are those of the unit matrix."""
    for scale in SCALES:
        for offset in OFFSETS:
            if dtype == "float32" and offset > 1e6:
                continue  # all but constant
            x = numbers((ROWS, 3), scale, offset, dtype)
            wide = x.astype(np.longdouble)
            centred = wide - wide.mean(axis=0)
            expected = (centred.T @ centred / ROWS).astype(float)
            if make is Whiten:
                epsilon = 1e-13 * scale * scale
                (matrix,) = fitted(lambda: Whiten(epsilon=epsilon), "matrix")(x)  # noqa: B023
                found = np.linalg.inv(matrix @ matrix)
            else:
                (found,) = after_a_batch(lambda: WhitenBatch(momentum=1.0), ("covariance",))(x)
                found = found * (ROWS - 1) / ROWS
            size = np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
            assert (abs(found - expected) <= 1e-10 * size + tolerance("float64", offset) * size).all()


@both_dtypes
def test_a_standardized_column_has_variance_1(dtype):
    for scale in SCALES:
        for offset in OFFSETS[: 4 if dtype == "float32" else 5]:
            x = numbers((ROWS, 3), scale, offset, dtype)
            wide = x.astype(np.longdouble)
            expected = ((wide - wide.mean(axis=0)) / wide.std(axis=0)).astype(float)
            limit = 16 * EPS * (1 + offset)
            assert abs(standardized(x.astype(float)) - expected).max() <= limit
            states = {s.name.split(".")[1]: s.value for s in alone(Standardize(), x=x).network.states}
            y = run_layer(Standardize, x, states=states, training=False).y
            assert abs(y - expected).max() <= 16 * float(np.finfo(dtype).eps) + limit


def test_a_feature_that_varies_by_a_few_roundings_is_not_constant():
    """A bound that grows with the number of samples would say so of 10⁹ deviations from 5·10⁶ samples on."""
    x = np.where(np.arange(4000)[:, None] % 2, 1.0, 1.0 + 8 * EPS)
    std = fitted(Standardize, "std")(x)[0]
    assert std == pytest.approx(4 * EPS, rel=1e-6, abs=0)
    assert fitted(Standardize, "std")(np.where(x > 1, 1.0 + EPS, 1.0))[0] == 0  # neighbours: rounding


@at_every_scale
@both_dtypes
def test_lsuv_finds_the_factor_for_outputs_of_any_size(dtype, scale):
    for offset in offsets_at(scale):
        if dtype == "float32" and offset > 1e6:
            continue
        y = numbers((ROWS, 4), scale, offset, dtype)
        found = [f for n in RANKS for f in in_context(n, ROWS, lambda c, mine: Lsuv().calibrate(y[mine], c))]  # noqa: B023
        assert len(set(found)) == 1
        _, variance, _ = moments_of(y.reshape(-1, 1))
        expected = 1.0 if abs(variance[0] - 1) < 0.1 else 1 / sqrt(variance[0])
        assert found[0] == pytest.approx(expected, rel=1e-6, abs=0)
