"""Mixup."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from scipy import stats

from dtrain_plugins.losses.binary_cross_entropy import BinaryCrossEntropy
from dtrain_plugins.losses.hinge import Hinge
from dtrain_plugins.losses.mse import Mse
from dtrain_plugins.losses.softmax_cross_entropy import SoftmaxCrossEntropy
from dtrain_plugins.transforms.mixup import Mixup
from tests.plugins.support import check, message_of
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


def refusal(loss, mixup, y):
    """Asks for a network with three outputs."""
    mixup.loss = loss
    return message_of(ValueError, partial(check, mixup, np.array(y), (3,)))


def test_refuses_classes_whose_number_it_does_not_know():
    assert refusal(SoftmaxCrossEntropy(), Mixup(), [0, 1]) == (
        "expected classes, how many there are, to mix targets that are classes, got none; set classes = 3"
    )


def test_refuses_a_loss_that_takes_nothing_mixed():
    assert refusal(Hinge(), Mixup(), [[0, 1, 1]]) == (
        "expected a loss of numbers or of distributions, which can be mixed, got another; "
        "take another loss, or leave mixup out"
    )
    assert refusal(Mse(), Mixup(classes=3), [0, 1]) == (
        "expected a loss that takes distributions with classes = 3, got another; "
        "leave classes out, or take a cross entropy"
    )


@pytest.mark.parametrize(
    ("loss", "y"),
    [
        (Mse(), [[3, 0, 7]]),
        (SoftmaxCrossEntropy(), [[0, 1, 0]]),
        (BinaryCrossEntropy(), [[0, 1, 1]]),
        (Mse(), [[0.5, 1, 2]]),
    ],
    ids=["counts", "one-hot", "labels", "numbers"],
)
def test_mixes_whole_numbers_as_numbers_if_the_loss_takes_what_comes_out(loss, y):
    mixup = Mixup(alpha=1.0)
    mixup.loss = loss
    target = np.array([*y, [1, 0, 0]])
    check(mixup, target, (3,))
    context = given(np.array([[0.25, 0], [0.5, 0]]), shards=[slice(0, 2)])
    mixed = mixup.forward(np.zeros((2, 4), np.float32), target, context)[1]
    expected = [0.25 * target[0] + 0.75 * target[1], 0.5 * (target[0] + target[1])]
    assert mixed == pytest.approx(np.array(expected, float), rel=1e-6)
    assert mixed.dtype.kind == "f"


@pytest.mark.parametrize(
    ("y", "bad"),
    [
        (
            [0, 3],
            "expected classes 0 to 2, one for each output of the network, but the target holds 3; "
            "correct the data, or give the last layer more units",
        ),
        ([-1, 7], "expected classes for a network that gives (3,) a sample, but the target holds -1"),
    ],
)
def test_refuses_other_classes(y, bad):
    assert refusal(SoftmaxCrossEntropy(), Mixup(classes=3), y) == bad


def test_refuses_numbers_where_there_should_be_classes():
    assert refusal(SoftmaxCrossEntropy(), Mixup(classes=3), [0.5, 1]) == (
        "expected classes for a network that gives (3,) a sample, but the target is float64, not whole numbers"
    )


def test_refuses_another_number_of_classes_than_of_outputs():
    assert refusal(SoftmaxCrossEntropy(), Mixup(classes=4), [0, 1]) == (
        "expected as many classes as the network has outputs, 3, got 4"
    )


@pytest.mark.parametrize("classes", [1, 0, -2])
def test_refuses_fewer_than_two_classes(classes):
    assert (
        message_of(ValueError, lambda: Mixup(classes=classes)) == f"classes must be at least 2, got {classes}"
    )


@pytest.mark.parametrize("alpha", [0.0, -1.0, 101.0])
def test_refuses_other_distributions(alpha):
    assert message_of(ValueError, lambda: Mixup(alpha)) == f"alpha must be in (0, 100], got {alpha}"
