"""DropConnect: a mask on weights that belongs to the batch."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from dtrain_plugins.activations.tanh import Tanh
from dtrain_plugins.layers.dense import Dense
from dtrain_plugins.layers.drop_connect import DropConnect
from dtrain_plugins.layers.residual import Residual
from tests.plugins.support import check_gradients, distance, message_of, run_layer, same_bits

RATES = [0.1, 0.5, 0.9]
WEIGHT = 1 + np.random.Generator(np.random.Philox(1)).random((40, 30))
BIAS = np.linspace(1, 2, 30)


def masked(rate=0.5, mode="vanilla", bias=False, **options):
    """What W became: the rows of the unit matrix come out as W's."""
    values = {"weight": WEIGHT.astype(options.get("dtype", float))}
    make = partial(DropConnect, 30, rate, mode, bias=bias)
    sizes = options.pop("sizes", (40,))
    return run_layer(
        make, np.eye(40, dtype=options.pop("dtype", float)), values=values, sizes=sizes, **options
    ).y


def share_is(kept, probability):
    """Within five standard deviations of a binomial share."""
    return abs(kept.mean() - probability) < 5 * np.sqrt(probability * (1 - probability) / kept.size)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize(
    ("mode", "factor"), [("vanilla", lambda rate: 1), ("inverted", lambda rate: 1 / (1 - rate))]
)
def test_drops_weights_in_training(mode, factor, rate):
    y = masked(rate, mode)
    kept = y != 0
    assert share_is(kept, 1 - rate)
    np.testing.assert_allclose(y[kept], (WEIGHT * factor(rate))[kept], rtol=1e-15)


@pytest.mark.parametrize("rate", RATES)
def test_takes_the_mean_of_the_mask_in_inference(rate):
    same_bits(masked(rate, "inverted", training=False), WEIGHT)
    np.testing.assert_allclose(masked(rate, "vanilla", training=False), WEIGHT * (1 - rate), rtol=1e-15)


def test_drops_half_and_inverts_by_default():
    y = run_layer(partial(DropConnect, 30, bias=False), np.eye(40), values={"weight": WEIGHT}).y
    same_bits(y, masked(0.5, "inverted"))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("mode", ["inverted", "vanilla"])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_rate_0_is_a_dense_layer(dtype, mode, training):
    x, dy = (
        np.random.Generator(np.random.Philox(i)).standard_normal((9, n)).astype(dtype)
        for i, n in ((2, 40), (3, 30))
    )
    options = {
        "values": {"weight": WEIGHT.astype(dtype), "bias": BIAS.astype(dtype)},
        "sizes": (5, 4),
        "training": training,
    }
    dense = run_layer(partial(Dense, 30), x, dy, **options)
    passed = run_layer(partial(DropConnect, 30, 0.0, mode), x, dy, **options)
    same_bits(passed.y, dense.y)
    same_bits(passed.dx, dense.dx)
    for name, gradient in dense.gradients.items():
        assert distance(passed.gradients[name], gradient) < (1e-6 if dtype == "f4" else 1e-14)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("mask_bias", [True, False])
@pytest.mark.parametrize("mode", ["inverted", "vanilla"])
def test_the_gradient_passes_where_the_weight_passed(mode, mask_bias, training):
    random = np.random.Generator(np.random.Philox(3))
    x, dy = random.standard_normal((7, 5)), random.standard_normal((7, 4))
    values = {"weight": random.standard_normal((5, 4)), "bias": random.standard_normal(4)}
    make = partial(DropConnect, 4, 0.5, mode, activation=Tanh(), mask_bias=mask_bias)
    passed = check_gradients(make, x, dy, sizes=(4, 0, 3), values=values, training=training)
    if training:
        dropped = passed.gradients["weight"] == 0
        assert 0 < dropped.sum() < dropped.size


@pytest.mark.parametrize("share_memory", [True, False])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_gives_the_same_bits_on_any_number_of_ranks(dtype, share_memory):
    random = np.random.Generator(np.random.Philox(3))
    sizes = (3, 3, 0, 2, 2, 1, 0, 2)
    x, dy = random.standard_normal((13, 40)).astype(dtype), random.standard_normal((13, 30)).astype(dtype)
    make = partial(DropConnect, 30, mask_bias=True)
    options = {"values": {"weight": WEIGHT, "bias": BIAS}, "sizes": sizes, "place": 26, "epoch": 2}
    whole = run_layer(make, x, dy, **options)
    for ranks in (1, 2, 3, 5):
        split = run_layer(make, x, dy, ranks=ranks, share_memory=share_memory, **options)
        same_bits(split.y, whole.y)
        same_bits(split.dx, whole.dx)
        same_bits(split.gradients, whole.gradients)


def test_all_rows_of_a_batch_share_the_mask_however_it_is_cut():
    whole = masked()
    same_bits(masked(sizes=(0, 20, 3, 3, 14), ranks=3), whole)
    same_bits(masked(dtype=np.float32) != 0, whole != 0)
    # Equal rows come out alike in any shard: no mask of their own.
    twins = run_layer(partial(DropConnect, 30), np.ones((10, 40)), sizes=(1, 9), ranks=2).y
    assert distance(twins, np.tile(twins[0], (10, 1))) < 1e-14


@pytest.mark.parametrize("other", [{"place": 40}, {"epoch": 1}, {"seed": 1}, {"name": "other"}], ids=str)
def test_other_batches_epochs_seeds_and_layers_have_other_masks(other):
    """The negative control of the sameness above."""
    agreement = (masked() != 0) == (masked(**other) != 0)
    assert share_is(agreement, 0.5)


def test_layers_within_another_have_masks_of_their_own():
    def make():
        return Residual([DropConnect(40, 0.5, "vanilla", bias=False) for _ in range(2)])

    ones = np.ones((40, 40))
    first = run_layer(make, np.eye(40), values={"1.weight": ones, "2.weight": np.eye(40)}).y - np.eye(40)
    # Column j is that of the first mask where the second keeps (j, j), and zero elsewhere.
    kept = first.any(axis=0)
    assert share_is(kept, 0.5)
    same = (
        np.diagonal(first)[kept] != 0
    )  # were the masks one, every kept diagonal would be kept in the first, too
    assert 0 < same.sum() < same.size


def test_the_bias_is_masked_only_when_asked_for():
    values = {"weight": np.zeros((40, 30)), "bias": BIAS}
    x = np.ones((3, 40))
    plain = run_layer(partial(DropConnect, 30), x, values=values).y
    same_bits(plain, np.tile(BIAS, (3, 1)))
    vanilla = run_layer(partial(DropConnect, 30, 0.5, "vanilla", mask_bias=True), x, values=values).y
    kept = vanilla[0] != 0
    assert 5 < kept.sum() < 25
    same_bits(vanilla, np.tile(BIAS * kept, (3, 1)))
    used = run_layer(
        partial(DropConnect, 30, 0.5, "vanilla", mask_bias=True), x, values=values, training=False
    ).y
    same_bits(used, np.tile(BIAS / 2, (3, 1)))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: DropConnect(0), "units must be at least 1, got 0"),
        (lambda: DropConnect(3, 1.0), "rate is the probability to drop, in [0, 1), got 1.0"),
        (lambda: DropConnect(3, -0.1), "rate is the probability to drop, in [0, 1), got -0.1"),
        (
            lambda: DropConnect(3, bias=False, mask_bias=True),
            "mask_bias needs a bias, got mask_bias = true with bias = false; leave one of them out",
        ),
        (
            lambda: DropConnect(3).build((4, 2), None),
            "drop_connect takes samples of one dimension, got (4, 2); put a flatten layer before it",
        ),
    ],
)
def test_refuses_options_out_of_range_and_samples_that_are_no_vectors(call, message):
    assert message_of(ValueError, call) == message
