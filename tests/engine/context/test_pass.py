"""What a pass tells its layers, and what it frees."""

from __future__ import annotations

import numpy as np
import pytest

from tests.engine.context.support import alone
from tests.support import in_context


def test_begin_tells_layers_where_training_is():
    context = alone(61, training=False, step=7, epoch=3, place=128)
    assert (context.training, context.step, context.epoch) == (False, 7, 3)
    assert (context.place, context.rows) == (128, 61)


def test_layers_draw_in_training_not_in_inference_and_again_where_predictions_are_drawn():
    assert alone(4, training=True).sampling
    assert not alone(4, training=False).sampling
    drawn = alone(4, training=False, sampling=True)
    assert (drawn.training, drawn.sampling) == (False, True)
    drawn.begin(drawn.layout, training=False, step=0, epoch=0, place=0)
    assert not drawn.sampling


def test_the_context_knows_whether_a_layer_has_drawn():
    context = alone(4)
    assert not context.drew
    context.bernoulli((4, 2), 0.5)
    assert context.drew
    context.begin(context.layout, training=True, step=1, epoch=0, place=0)
    assert not context.drew


@pytest.mark.parametrize("ranks", [1, 3])
def test_rows_are_those_of_the_global_batch(ranks):
    assert in_context(ranks, 61, lambda context, mine: context.rows) == [61] * ranks


def test_begin_frees_scratch_and_nothing_else_does():
    context = alone(4)
    first = context.empty((4, 2), np.float32)
    second = context.empty((4, 2), np.float32)
    assert not np.shares_memory(first, second)
    context.begin(context.layout, training=True, step=1, epoch=0, place=0)
    assert np.shares_memory(context.empty((4, 2), np.float32), first)
