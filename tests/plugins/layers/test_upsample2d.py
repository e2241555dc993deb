"""Upsampling."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from dtrain.engine import Network
from dtrain.errors import ConfigError
from dtrain_plugins.layers.upsample2d import Upsample2d
from tests.plugins.support import check_gradients, initializer, message_of, run_layer, same_bits

RANDOM = np.random.Generator(np.random.Philox(8))


@pytest.mark.parametrize(("factor", "down", "right"), [(1, 1, 1), (2, 2, 2), ((3, 2), 3, 2)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rows", [5, 0])
def test_repeats_each_pixel(factor, down, right, dtype, rows):
    x = RANDOM.standard_normal((rows, 3, 4, 2)).astype(dtype)
    dy = RANDOM.standard_normal((rows, 3 * down, 4 * right, 2)).astype(dtype)
    passed = run_layer(partial(Upsample2d, factor), x, dy, sizes=(rows // 2, 0, rows - rows // 2))
    for i in range(3 * down):
        for j in range(4 * right):
            assert (passed.y[:, i, j] == x[:, i // down, j // right]).all()
    for ranks in (2, 3):
        split = run_layer(
            partial(Upsample2d, factor), x, dy, sizes=(rows // 2, 0, rows - rows // 2), ranks=ranks
        )
        same_bits(split.y, passed.y)
        same_bits(split.dx, passed.dx)


@pytest.mark.parametrize("factor", [2, (1, 3)])
def test_differentiates(factor):
    x = RANDOM.standard_normal((2, 2, 3, 2))
    y = run_layer(partial(Upsample2d, factor), x).y
    check_gradients(partial(Upsample2d, factor), x, RANDOM.standard_normal(y.shape), sizes=(1, 1))


def test_doubles_by_default():
    assert run_layer(Upsample2d, np.zeros((1, 2, 3, 4))).y.shape == (1, 4, 6, 4)


def test_refuses_what_does_not_fit():
    assert message_of(ValueError, lambda: Upsample2d((2, 0))) == "factor must be at least 1, got (2, 0)"
    build = partial(Network, [("u", Upsample2d())], (4, 4), "f8", initializer)
    assert message_of(ConfigError, build) == (
        "layer 'u' (Upsample2d): upsample2d takes samples (H, W, C), channels last, got (4, 4); "
        "put a reshape before it, "
        "and behind that a transpose where the channels come first"
    )
