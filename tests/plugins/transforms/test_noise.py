"""Gaussian noise."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from dtrain_plugins.transforms.noise import Noise
from tests.plugins.support import message_of
from tests.plugins.transforms.support import RANDOM, transformed


@pytest.mark.parametrize("std", [0.0, 0.1, 3.0])
@pytest.mark.parametrize("shape", [(50,), (5, 5, 2)], ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_adds_normal_numbers_of_the_standard_deviation(std, shape, dtype):
    x = RANDOM.standard_normal((800, *shape)).astype(dtype)
    out, _ = transformed(partial(Noise, std), x)
    noise = (out - x).astype(np.float64)
    assert abs(noise.mean()) <= 5 * std / noise.size**0.5 + 1e-6
    assert noise.std() == pytest.approx(std, rel=0.02, abs=1e-6)
    # 4 of 100 normal numbers are further out than 2.05 standard deviations
    if std:
        assert (np.abs(noise) > 2.0537 * std).mean() == pytest.approx(0.04, abs=0.005)


def test_adds_a_tenth_by_default():
    assert Noise().std == 0.1
    assert transformed(Noise, np.zeros((500, 40)))[0].std() == pytest.approx(0.1, rel=0.03)


@pytest.mark.parametrize("std", [-1.0, float("nan")])
def test_refuses_a_negative_deviation(std):
    assert message_of(ValueError, lambda: Noise(std)) == f"std must be at least 0, got {std}"
