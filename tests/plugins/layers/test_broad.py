"""Short rows are taken several at once: less time, the same bits."""

from __future__ import annotations

import numpy as np
import pytest

from dtrain_plugins.layers import broad
from dtrain_plugins.layers.batch_norm import BatchNorm
from dtrain_plugins.layers.broad import rows_as_one
from tests.plugins.support import run_layer, same_bits


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((64, 24, 24, 16), 32),
        ((64, 8, 8, 32), 16),
        ((4096, 3), 128),
        ((1026, 3), 2),
        ((1025, 3), 1),
        ((1023, 3), 1),
        ((4096, 65), 1),
        ((0, 3), 1),
    ],
)
def test_takes_as_many_rows_as_divide_their_number_and_fill_a_loop(shape, expected):
    assert rows_as_one(np.empty(shape)) == expected


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("shape", [(2048, 3), (8, 16, 12, 5)])
def test_a_batch_norm_has_the_bits_that_rows_one_by_one_give(shape, training, monkeypatch):
    random = np.random.default_rng(1)
    x, dy = random.standard_normal((2, *shape)).astype(np.float32)
    together = run_layer(BatchNorm, x + 3, dy, training=training)
    monkeypatch.setattr(broad, "MANY", x.size)
    one_by_one = run_layer(BatchNorm, x + 3, dy, training=training)
    for name in ("y", "dx"):
        same_bits(getattr(together, name), getattr(one_by_one, name))
    assert together.y.shape == together.dx.shape == shape
