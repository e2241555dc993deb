"""Flatten."""

from __future__ import annotations

import numpy as np
import pytest

from dtrain_plugins.layers.flatten import Flatten
from tests.plugins.support import check_gradients, run_layer


@pytest.mark.parametrize("shape", [(), (5,), (2, 3), (2, 3, 4)], ids=str)
@pytest.mark.parametrize("rows", [0, 1, 5])
def test_the_last_dimension_runs_fastest(shape, rows):
    x = np.arange(rows * int(np.prod(shape)), dtype=np.float32).reshape(rows, *shape)
    dy = 2 * x.reshape(rows, int(np.prod(shape)))
    passed = run_layer(Flatten, x, dy, sizes=(rows, 0), ranks=2)
    assert passed.y.shape == (rows, int(np.prod(shape)))
    assert [list(row) for row in passed.y] == [[float(v) for v in row.flat] for row in x]
    assert (passed.dx == 2 * x).all()
    assert not passed.gradients


def test_differentiates():
    x = np.random.Generator(np.random.Philox(0)).standard_normal((3, 2, 2))
    check_gradients(Flatten, x, np.arange(12.0).reshape(3, 4))
