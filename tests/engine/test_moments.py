"""Sums of a shard's rows about a centre of its own."""

from __future__ import annotations

from math import fsum

import numpy as np
import pytest

from dtrain.engine import moments
from dtrain.engine.moments import ShardMoments, rows_as_one


def sums(x, shards):
    n, width = len(x) // shards, x.shape[1]
    out = np.empty((shards, 2, width), np.float64)
    ShardMoments(shards, n, width, x.dtype)(x, np.empty_like(x), out)
    return out


@pytest.mark.parametrize("shards", [1, 3])
def test_short_rows_taken_several_at_once_give_the_bits_of_one_by_one(shards, monkeypatch):
    x = np.random.default_rng(2).standard_normal((shards * 2048, 5), dtype=np.float32) + 10
    assert rows_as_one(2048, 5) == 64
    together = sums(x, shards)
    monkeypatch.setattr(moments, "MANY", 4096)
    assert rows_as_one(2048, 5) == 1
    np.testing.assert_array_equal(together, sums(x, shards))


@pytest.mark.parametrize("shards", [1, 2])
def test_sums_and_squares_are_those_of_each_shards_rows(shards):
    x = np.random.default_rng(3).standard_normal((shards * 1024, 2), dtype=np.float32) + 10
    for rows, found in zip(np.split(x.astype(np.float64), shards), sums(x, shards), strict=True):
        expected = [[fsum(column), fsum(column**2)] for column in rows.T]
        np.testing.assert_allclose(found.T, expected, rtol=1e-6)
