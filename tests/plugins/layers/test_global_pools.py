"""Means over all places."""

from __future__ import annotations

from functools import partial
from math import fsum

import numpy as np
import pytest

from dtrain.engine import Network
from dtrain.errors import ConfigError
from dtrain_plugins.layers.global_average_pool1d import GlobalAveragePool1d
from dtrain_plugins.layers.global_average_pool2d import GlobalAveragePool2d
from tests.plugins.support import check_gradients, distance, initializer, message_of, run_layer, same_bits

RANDOM = np.random.Generator(np.random.Philox(7))
CASES = pytest.mark.parametrize(
    ("part", "shape"),
    [
        (GlobalAveragePool2d, (3, 4, 2)),
        (GlobalAveragePool2d, (1, 1, 3)),
        (GlobalAveragePool2d, (28, 30, 1)),
        (GlobalAveragePool1d, (7, 2)),
        (GlobalAveragePool1d, (300, 1)),
    ],
)


@CASES
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-6), (np.float64, 1e-14)])
@pytest.mark.parametrize("rows", [7, 1, 0])
def test_is_the_mean_and_the_same_on_any_number_of_ranks(part, shape, dtype, tolerance, rows):
    x = (RANDOM.standard_normal((rows, *shape)) + 1).astype(dtype)
    dy = RANDOM.standard_normal((rows, shape[-1])).astype(dtype)
    sizes = (rows // 2, 0, rows - rows // 2, 0, 0)
    whole = run_layer(part, x, dy, sizes=sizes)
    expected = [[fsum(row[..., c].flat) / row[..., c].size for c in range(shape[-1])] for row in x]
    assert distance(whole.y, np.reshape(expected, dy.shape)) <= tolerance
    for ranks in (1, 2, 3, 5):
        split = run_layer(part, x, dy, sizes=sizes, ranks=ranks)
        same_bits(split.y, whole.y)
        same_bits(split.dx, whole.dx)


@pytest.mark.parametrize(("part", "shape"), [(GlobalAveragePool2d, (3, 4, 2)), (GlobalAveragePool1d, (5, 3))])
def test_differentiates(part, shape):
    check_gradients(part, RANDOM.standard_normal((3, *shape)), RANDOM.standard_normal((3, shape[-1])))


@pytest.mark.parametrize(
    ("part", "shape", "message"),
    [
        (
            GlobalAveragePool2d,
            (4, 3),
            "global_average_pool2d takes samples (H, W, C), channels last, got (4, 3)",
        ),
        (GlobalAveragePool1d, (4,), "global_average_pool1d takes samples (n, C), channels last, got (4,)"),
    ],
)
def test_refuses_other_samples(part, shape, message):
    build = partial(Network, [("p", part())], shape, "f8", initializer)
    assert (
        message_of(ConfigError, build) == f"layer 'p' ({part.__name__}): {message}; put a reshape before it, "
        "and behind that a transpose where the channels come first"
    )
