"""Dropout: masks that belong to samples."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from dtrain_plugins.layers.dropout import Dropout
from tests.plugins.support import check_gradients, message_of, run_layer, same_bits

ONES = np.ones((400, 50))
RATES = [0.1, 0.5, 0.9]


def mask(rows=40, width=21, **options):
    """1 where a unit was kept."""
    dtype = options.pop("dtype", np.float32)
    y = run_layer(partial(Dropout, 0.5, "vanilla"), np.ones((rows, width), dtype), **options).y
    assert set(np.unique(y)) == {0, 1}
    return y


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_inverted_scales_what_is_kept_and_keeps_the_mean(rate, dtype):
    y = run_layer(partial(Dropout, rate), ONES.astype(dtype)).y
    kept = y != 0
    # Five standard deviations of a binomial share.
    assert abs(kept.mean() - (1 - rate)) < 5 * np.sqrt(rate * (1 - rate) / y.size)
    assert set(np.unique(y)) == {0, dtype(1 / (1 - rate))}
    assert abs(y.mean() - 1) < 5 * np.sqrt(rate / (1 - rate) / y.size)


@pytest.mark.parametrize("rate", [0.1, 0.3, 0.8])
def test_units_vary_as_scaled_bernoulli_numbers_and_alone(rate):
    """Over rows, unit by unit, to five standard errors."""
    rows = 4000
    y = run_layer(partial(Dropout, rate), np.ones((rows, 6))).y
    excess = 1 / (rate * (1 - rate)) - 6
    assert np.abs(y.var(axis=0) * (1 - rate) / rate - 1).max() < 5 * np.sqrt((excess + 2) / rows)
    correlation = np.corrcoef(y.T)[np.triu_indices(6, 1)]
    assert np.abs(correlation).max() < 5 / np.sqrt(rows)


@pytest.mark.parametrize("rate", RATES)
def test_vanilla_scales_in_inference_only(rate):
    make = partial(Dropout, rate, "vanilla")
    trained = run_layer(make, ONES).y
    assert set(np.unique(trained)) == {0, 1}
    used = run_layer(make, ONES, ONES, training=False)
    assert set(np.unique(used.y)) == set(np.unique(used.dx)) == {1 - rate}
    assert abs(trained.mean() - used.y.mean()) < 5 * np.sqrt(rate * (1 - rate) / ONES.size)


def test_inverted_is_the_identity_in_inference():
    x = np.random.Generator(np.random.Philox(0)).standard_normal((6, 4))
    passed = run_layer(Dropout, x, 3 * x, training=False)
    same_bits(passed.y, x)
    same_bits(passed.dx, 3 * x)


@pytest.mark.parametrize("mode", ["inverted", "vanilla"])
def test_drops_without_training_where_predictions_are_drawn(mode):
    make, options = partial(Dropout, 0.5, mode), {"training": False, "sampling": True}
    drawn = run_layer(make, ONES, ONES, **options)
    assert set(np.unique(drawn.y)) == {0, 2 if mode == "inverted" else 1}
    same_bits(drawn.dx, drawn.y)
    for other in (run_layer(make, ONES), run_layer(make, ONES, epoch=1, **options)):  # training; another draw
        assert abs(((other.y != 0) == (drawn.y != 0)).mean() - 0.5) < 5 * 0.5 / np.sqrt(ONES.size)


@pytest.mark.parametrize("mode", ["inverted", "vanilla"])
@pytest.mark.parametrize("training", [True, False])
def test_rate_0_is_the_identity(mode, training):
    x = np.random.Generator(np.random.Philox(0)).standard_normal((50, 40)).astype(np.float32)
    passed = run_layer(partial(Dropout, 0.0, mode), x, 3 * x, training=training)
    same_bits(passed.y, x)
    same_bits(passed.dx, 3 * x)


def test_drops_half_by_default():
    y = run_layer(Dropout, ONES).y
    assert set(np.unique(y)) == {0, 2}
    assert abs((y == 0).mean() - 0.5) < 0.02


@pytest.mark.parametrize("shape", [(7,), (3, 2, 5), ()], ids=str)
def test_the_gradient_passes_where_the_value_passed(shape):
    random = np.random.Generator(np.random.Philox(3))
    x, dy = random.standard_normal((2, 9, *shape))
    passed = check_gradients(partial(Dropout, 0.4), x, dy, sizes=(4, 0, 5))
    assert ((passed.dx == 0) == (passed.y == 0)).all()
    assert 0 < (passed.dx == 0).sum() < passed.dx.size
    check_gradients(partial(Dropout, 0.4, "vanilla"), x, dy, training=False)


@pytest.mark.parametrize("width", [1, 3, 8, 21])
def test_the_mask_is_the_same_on_any_number_of_ranks(width):
    whole = mask(width=width)
    for ranks in (1, 2, 3, 5):
        same_bits(mask(width=width, sizes=(0, 20, 3, 3, 14), ranks=ranks), whole)


def test_the_mask_follows_the_sample_not_the_batch():
    whole = mask(rows=40)
    same_bits(np.concatenate([mask(rows=8, place=place) for place in range(0, 40, 8)]), whole)
    same_bits(mask(dtype=np.float64).astype(np.float32), whole)


@pytest.mark.parametrize("other", [{"epoch": 1}, {"seed": 1}, {"name": "other"}, {"place": 40}], ids=str)
def test_other_epochs_seeds_layers_and_samples_have_other_masks(other):
    agreement = (mask() == mask(**other)).mean()
    assert abs(agreement - 0.5) < 5 * 0.5 / np.sqrt(40 * 21)


def test_rows_have_masks_of_their_own():
    rows = mask(rows=30, width=64)
    assert len({row.tobytes() for row in rows}) == 30


@pytest.mark.parametrize("rate", [1.0, -0.1, 2.0])
def test_refuses_a_rate_that_is_no_probability_below_one(rate):
    assert (
        message_of(ValueError, lambda: Dropout(rate))
        == f"rate is the probability to drop, in [0, 1), got {rate}"
    )
