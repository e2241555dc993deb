"""The maximum over all rows."""

from __future__ import annotations

import numpy as np
import pytest

from tests.engine.context.support import data
from tests.support import assert_same_bits, in_context


@pytest.mark.parametrize("ranks", [1, 2, 3, 5])
@pytest.mark.parametrize("rows", [1, 5, 61])
@pytest.mark.parametrize(("shape", "axes"), [((), ()), ((4,), ()), ((3, 2), ()), ((3, 2, 4), (1, 2))])
def test_a_maximum_is_that_of_all_rows(rows, shape, axes, ranks):
    x = data(rows, *shape) - 10
    for total in in_context(ranks, rows, lambda context, mine: context.max(x[mine], axes=axes)):
        assert_same_bits(total, np.asarray(x.max(axis=(0, *axes))))


@pytest.mark.parametrize("ranks", [1, 3])
def test_several_maxima_come_in_one_call_and_nan_wins(ranks):
    x, y = data(61, 4), data(61, 2, dtype="float64")
    x[17, 2] = np.nan
    for first, second in in_context(ranks, 61, lambda context, mine: context.max(x[mine], y[mine])):
        assert_same_bits(first, x.max(axis=0))
        assert np.isnan(first[2])
        assert_same_bits(second, y.max(axis=0))


@pytest.mark.parametrize("ranks", [1, 3])
def test_the_maximum_of_no_rows_is_minus_infinity(ranks):
    for total in in_context(ranks, 0, lambda context, mine: context.max(np.zeros((0, 2), np.float32))):
        assert total.tolist() == [-np.inf, -np.inf]
