"""The largest elements travel, the others wait: by the formula, rank by rank."""

from __future__ import annotations

from math import ceil

import numpy as np
import pytest

from dtrain_plugins.exchanges.top_k import TopK
from tests.plugins.exchanges.support import totals
from tests.support import assert_same_bits, refused, rough


def by_formula(gradients, ratio, bucket):
    """The totals of all steps and the residuals at the end. bucket: elements."""
    steps, ranks, n = gradients.shape
    e, found = np.zeros((ranks, n), gradients.dtype), []
    for step in range(steps):
        h = e + gradients[step]
        total = np.zeros(n, gradients.dtype)
        for rank in range(ranks):
            for start in range(0, n, bucket):
                part = h[rank, start : start + bucket]
                k = ceil(ratio * len(part))
                for i in sorted(range(len(part)), key=lambda i: abs(part[i]))[-k:]:
                    total[start + i] += part[i]
                    part[i] = 0
        e = h
        found.append(total)
    return np.array(found), e


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("ranks", [1, 2, 3])
@pytest.mark.parametrize("ratio", [0.001, 0.1, 1.0])
def test_is_its_formula(ratio, ranks, dtype):
    gradients = rough(3, ranks, 2048, dtype=dtype)
    mebibytes = 1024 * gradients.itemsize / 2**20
    expected, residuals = by_formula(gradients, ratio, 1024)
    for rank, (got, slots, _) in enumerate(totals(lambda: TopK(ratio, bucket=mebibytes), gradients)):
        assert_same_bits(got, expected)
        assert_same_bits(slots["residual"], residuals[rank])


def test_what_has_waited_long_enough_is_sent():
    gradients = np.zeros((5, 2, 1024), np.float32)
    gradients[:, :, 0], gradients[:, :, 1] = 10, 4  # one of them a step
    (got, _, _), _ = totals(lambda: TopK(1 / 1024), gradients)
    np.testing.assert_array_equal(got[:, :2], [[20, 0], [20, 0], [0, 24], [40, 0], [20, 0]])


@pytest.mark.parametrize("ranks", [2, 3, 4])
def test_a_rank_sends_an_index_and_a_value_for_each(ranks):
    (_, _, sent), *_ = totals(lambda: TopK(0.01), rough(1, ranks, 10240))
    assert sent == (ranks - 1) * 103 * (4 + 4)


@pytest.mark.parametrize("ratio", [0, -0.5, 1.5, float("nan")])
def test_a_ratio_is_above_0_and_at_most_1(ratio):
    with refused(ValueError, f"ratio must be in (0, 1], got {ratio}"):
        TopK(ratio)
