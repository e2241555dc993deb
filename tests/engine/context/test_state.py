"""A state moves at once; its updates are kept, taken back or set aside."""

from __future__ import annotations

import re

import numpy as np
import pytest

from dtrain.parameter import State
from tests.engine.context.support import alone


def test_an_update_holds_at_once_and_a_commit_keeps_it():
    context, state = alone(4), State("mean", np.zeros(2))
    context.update(state, np.ones(2))
    assert state.value.tolist() == [1, 1]
    context.commit()
    context.rollback()
    assert state.value.tolist() == [1, 1]


def test_a_rollback_takes_back_all_updates_since_the_last_commit():
    context, mean, count = alone(4), State("mean", np.zeros(2)), State("count", np.zeros(()))
    context.update(mean, np.full(2, 1.0))
    context.commit()
    context.update(mean, np.full(2, 2.0))
    context.update(count, np.array(5.0))
    context.update(mean, np.full(2, 3.0))
    context.rollback()
    assert mean.value.tolist() == [1, 1]
    assert count.value == 0
    context.rollback()
    assert mean.value.tolist() == [1, 1]


def test_updates_that_are_set_aside_can_be_made_later():
    context, mean = alone(4), State("mean", np.zeros(2))
    context.update(mean, np.full(2, 1.0))
    context.update(mean, np.full(2, 2.0))
    aside = context.set_aside()
    assert mean.value.tolist() == [0, 0]
    for state, value in aside:
        context.update(state, value)
    assert mean.value.tolist() == [2, 2]
    context.rollback()
    assert mean.value.tolist() == [0, 0]


def test_an_update_outside_of_training_is_refused():
    context = alone(4, training=False)
    context.layer = "batch_norm_1"
    state = State("batch_norm_1.mean", np.zeros(2))
    message = "layer 'batch_norm_1' changes state 'batch_norm_1.mean' outside of training"
    with pytest.raises(RuntimeError, match=f"^{re.escape(message)}$"):
        context.update(state, np.ones(2))
    assert state.value.tolist() == [0, 0]
