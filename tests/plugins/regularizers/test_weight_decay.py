"""Decoupled weight decay."""

from __future__ import annotations

import numpy as np
import pytest

from dtrain_plugins.regularizers.weight_decay import WeightDecay
from tests.plugins.support import message_of


def test_values_shrink_by_the_rate_times_the_weight():
    value = np.array([1.0, -2.0, 0.0], np.float32)
    WeightDecay(0.5).decay(value, 0.1)
    assert value == pytest.approx([0.95, -1.9, 0.0], rel=1e-7)
    assert value.dtype == np.float32


def test_there_is_no_penalty_and_no_gradient():
    value, out = np.array([1.0, -2.0]), np.array([5.0, 6.0])
    assert WeightDecay().penalty(value) == 0.0
    WeightDecay().gradient(value, out)
    assert (out == [5, 6]).all()
    assert WeightDecay.decoupled


def test_has_the_usual_weight_and_refuses_a_negative_one():
    assert WeightDecay().weight == 0.01
    assert message_of(ValueError, lambda: WeightDecay(-1.0)) == "weight must be at least 0, got -1.0"
