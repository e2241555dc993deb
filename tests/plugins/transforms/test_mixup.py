"""Mixup."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from scipy import stats

from dtrain import ConfigError
from dtrain_plugins.transforms.mixup import Mixup
from tests.plugins.support import message_of
from tests.plugins.transforms.support import RANDOM, given, transformed
from tests.support import assert_other_bits, assert_same_bits


@pytest.mark.parametrize("alpha", [0.05, 0.2, 0.5, 1.0, 2.0, 8.0, 100.0])
def test_the_shares_are_of_a_beta_distribution(alpha):
    u = np.concatenate([10.0 ** np.arange(-12, 0), np.linspace(0.01, 0.5, 50)])
    got = Mixup(alpha).quantile(u)
    assert stats.beta(alpha, alpha).cdf(got) == pytest.approx(u, rel=1e-4, abs=1e-12)
    assert Mixup(alpha).quantile(1 - u[12:]) == pytest.approx(1 - got[12:], abs=1e-12)


def test_an_even_beta_distribution_is_uniform():
    u = np.linspace(0.001, 0.999, 500)
    assert Mixup(1.0).quantile(u) == pytest.approx(u, abs=1e-12)


@pytest.mark.parametrize("shape", [(), (4,), (3, 2, 2)], ids=str)
def test_mixes_rows_and_targets_alike(shape):
    x, y = RANDOM.standard_normal((5, *shape)), RANDOM.standard_normal((5, 3)).astype(np.float32)
    share = np.array([0.1, 0.5, 0.9, 0.25, 0.75])
    # Shards of 3, 0 and 2 rows; the second number chooses how many rows further on the partner is.
    draws = np.stack([share, [0.1, 0.9, 0.4, 0.0, 0.99]], axis=1)
    context = given(draws, shards=[slice(0, 3), slice(3, 3), slice(3, 5)])
    mixed, target = Mixup(1.0).forward(x, y, context)
    for row, partner in enumerate([1, 0, 0, 4, 3]):
        a = share[row]
        assert mixed[row] == pytest.approx(a * x[row] + (1 - a) * x[partner], rel=1e-12)
        assert target[row] == pytest.approx(a * y[row] + (1 - a) * y[partner], rel=1e-5, abs=1e-6)
    assert (mixed.dtype, target.dtype) == (np.float64, np.float32)


def test_every_other_row_of_the_shard_is_as_likely():
    rows = np.eye(24)
    counts = np.zeros((24, 24))
    for epoch in range(600):
        mixed, _ = transformed(partial(Mixup, 1.0), rows, epoch=epoch, shards=4)
        counts += mixed > 0
    shard = np.arange(24) // 6
    same = (shard[:, None] == shard) & ~np.eye(24, dtype=bool)
    assert (counts[~same & ~np.eye(24, dtype=bool)] == 0).all()
    assert abs(counts[same] / 600 - 0.2).max() < 5 * (0.16 / 600) ** 0.5


def test_a_row_alone_in_its_shard_stays():
    x = RANDOM.standard_normal((5, 3))
    assert np.abs(transformed(Mixup, x)[0] - x).max() < 1e-15  # 8 shards


def test_does_without_targets():
    x = RANDOM.standard_normal((20, 3))
    mixed, y = transformed(Mixup, x, shards=2)
    assert y is None
    assert (mixed != x).any()
    assert Mixup().alpha == 0.2


@pytest.mark.parametrize("dtype", ["u1", "i4", "i8"])
@pytest.mark.parametrize("shape", [(), (2, 2)], ids=str)
def test_mixes_classes_as_one_hot_rows(shape, dtype):
    x, y = RANDOM.standard_normal((20, 3)).astype(np.float32), RANDOM.integers(5, size=(20, *shape))
    make = partial(Mixup, 1.0, classes=5)
    mixed, target = transformed(make, x, y.astype(dtype), shards=2)
    same_x, same = transformed(partial(Mixup, 1.0), x, np.eye(5, dtype=np.float32)[y], shards=2)
    assert target.dtype == np.float32
    assert target.shape == (20, *shape, 5)
    assert (mixed == same_x).all()
    assert (target == same).all()
    assert target.sum(axis=-1) == pytest.approx(1, abs=1e-6)
    assert ((target > 0).sum(axis=-1) == 2).any()


def test_mixed_classes_are_the_same_on_any_number_of_ranks():
    x, y = RANDOM.standard_normal((29, 3)), RANDOM.integers(5, size=29)
    make = partial(Mixup, 1.0, classes=5)
    whole = transformed(make, x, y)
    for ranks in (2, 3, 5):
        for got, expected in zip(transformed(make, x, y, ranks), whole, strict=True):
            assert_same_bits(got, expected)
    assert_other_bits(transformed(make, x, y, shards=2)[1], whole[1])


def refusal(mixup, y):
    return message_of(ConfigError, partial(mixup.forward, np.zeros((2, 3)), np.array(y), given()))


def test_refuses_classes_whose_number_it_does_not_know():
    assert refusal(Mixup(), [0, 1]) == (
        "mixup takes targets that can be mixed, real numbers, got int64; "
        "where they are classes, give `classes`, their number"
    )


@pytest.mark.parametrize(("y", "bad"), [([0, 3], 3), ([-1, 7], -1)])
def test_refuses_other_classes(y, bad):
    assert refusal(Mixup(classes=3), y) == (
        f"mixup takes classes 0 to 2, but a target is {bad}; give `classes` as many as the network has outputs"
    )


def test_refuses_numbers_where_there_should_be_classes():
    assert refusal(Mixup(classes=3), [0.5, 1]) == "mixup with classes = 3 takes whole numbers, got float64"


@pytest.mark.parametrize("classes", [1, 0, -2])
def test_refuses_fewer_than_two_classes(classes):
    assert (
        message_of(ValueError, lambda: Mixup(classes=classes)) == f"classes must be at least 2, got {classes}"
    )


@pytest.mark.parametrize("alpha", [0.0, -1.0, 101.0])
def test_refuses_other_distributions(alpha):
    assert message_of(ValueError, lambda: Mixup(alpha)) == f"alpha must be in (0, 100], got {alpha}"
