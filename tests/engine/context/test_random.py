"""Random numbers belong to samples: the same wherever they are drawn."""

from __future__ import annotations

import re

import numpy as np
import pytest

from dtrain.communicator import run_ranks
from dtrain.engine import Layout, rank_ranges
from tests.engine.context.support import MANY, alone
from tests.support import assert_other_bits, assert_same_bits, in_context

DRAWS = {
    "uniform": lambda context, shape: context.uniform(shape),
    "uniform64": lambda context, shape: context.uniform(shape, np.float64),
    "normal": lambda context, shape: context.normal(shape),
    "normal64": lambda context, shape: context.normal(shape, "float64"),
    "bernoulli": lambda context, shape: context.bernoulli(shape, 0.5),
}
every_draw = pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)


def drawn(draw, ranks, rows, shape, **options):
    """The numbers of all rows of a global batch, from all ranks."""

    def body(context, mine):
        return draw(context, (mine.stop - mine.start, *shape))

    return np.concatenate(in_context(ranks, rows, body, **options))


@every_draw
@pytest.mark.parametrize("shape", [(), (3,), (8,), (2, 5)], ids=str)
@pytest.mark.parametrize("rows", [0, 5, 61])
def test_numbers_belong_to_samples_on_any_ranks(draw, rows, shape):
    one = drawn(draw, 1, rows, shape)
    assert one.shape == (rows, *shape)
    for ranks in MANY:
        assert_same_bits(drawn(draw, ranks, rows, shape), one)


@every_draw
def test_numbers_belong_to_places_in_the_epoch_whatever_the_batch(draw):
    whole = drawn(draw, 1, 61, (3,))
    assert_same_bits(drawn(draw, 3, 20, (3,), place=0), whole[:20])
    assert_same_bits(drawn(draw, 2, 41, (3,), place=20, shards=5), whole[20:])


@every_draw
def test_numbers_differ_between_layers_draws_epochs_seeds_places_and_inference(draw):
    def body(context, mine):
        first = draw(context, (64, 8))
        second = draw(context, (64, 8))
        context.layer = "another"
        return [first, second, draw(context, (64, 8))]

    seen = []
    for options in ({}, {"epoch": 1}, {"seed": 1}, {"place": 64}, {"training": False}):
        seen += in_context(1, 64, body, **options)[0]
    assert len({array.tobytes() for array in seen}) == len(seen) == 15
    for array in seen[1:]:
        assert 0.3 < (array == seen[0]).mean() < 0.7 if array.dtype == bool else not (array == seen[0]).any()


@every_draw
def test_numbers_differ_between_samples(draw):
    rows = drawn(draw, 1, 61, (40,))
    assert len({row.tobytes() for row in rows}) == 61


@every_draw
def test_a_pass_that_begins_again_draws_the_same_numbers(draw):
    context = alone(8)
    first = [draw(context, (8, 3)).copy() for _ in range(2)]
    context.begin(context.layout, training=True, step=1, epoch=0, place=0)
    again = [draw(context, (8, 3)).copy() for _ in range(2)]
    assert_same_bits(np.array(again), np.array(first))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_numbers_have_their_distribution(dtype):
    context = alone(4000)
    u, z = context.uniform((4000, 10), dtype), context.normal((4000, 10), dtype)
    assert u.dtype == z.dtype == np.dtype(dtype)
    assert 0 < u.min() < 0.001
    assert 0.999 < u.max() < 1
    np.testing.assert_allclose([u.mean(), u.var()], [1 / 2, 1 / 12], atol=0.005)
    np.testing.assert_allclose([z.mean(), z.var(), (z**3).mean(), (z**4).mean()], [0, 1, 0, 3], atol=0.1)


@pytest.mark.parametrize("probability", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_bernoulli_is_true_with_its_probability(probability):
    kept = alone(4000).bernoulli((4000, 10), probability)
    assert kept.dtype == bool
    if probability in (0, 1):
        assert (kept == probability).all()
    else:
        assert abs(kept.mean() - probability) < 0.01


def test_a_mask_of_a_higher_probability_holds_that_of_a_lower():
    low, high = alone(61).bernoulli((61, 10), 0.3), alone(61).bernoulli((61, 10), 0.6)
    assert (low <= high).all()


@every_draw
@pytest.mark.parametrize("rows", [9, 61])
def test_a_shape_that_does_not_start_with_the_local_rows_is_refused(draw, rows):
    message = f"random numbers belong to rows: expected a shape that starts with 10, got ({rows}, 3)"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        draw(alone(10), (rows, 3))


def test_seed_plus_rank_would_give_other_numbers_on_other_ranks():
    """The negative control of this part."""

    def local(ranks):
        def job(communicator):
            first, last = rank_ranges(8, ranks)[communicator.rank]
            layout = Layout(61, 8, first, last)
            return np.random.default_rng(communicator.rank).random((layout.local, 3))

        return np.concatenate(run_ranks(ranks, job))

    assert_other_bits(local(3), local(1))
