"""A row of a product has the same bits whatever lies beside it; gradients are for training."""

from __future__ import annotations

import numpy as np
import pytest

from dtrain.parameter import Parameter
from tests.engine.context.support import FLOATS, MANY, ROWS, TOLERANCE, alone, data
from tests.support import Constant, assert_same_bits, in_context


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize(("inner", "outer"), [(20, 33), (64, 10), (1, 1), (257, 5)])
def test_a_row_of_a_product_has_the_same_bits_however_shards_lie_on_ranks(rows, inner, outer, dtype):
    x, w = data(rows, inner, dtype=dtype), data(inner, outer, dtype=dtype, seed=1)
    (one,) = in_context(1, rows, lambda context, mine: context.matmul(x[mine], w).copy())
    assert (one.dtype, one.shape) == (x.dtype, (rows, outer))
    np.testing.assert_allclose(one, x @ w, rtol=0, atol=1e3 * TOLERANCE[dtype])
    for ranks in MANY:
        parts = in_context(ranks, rows, lambda context, mine: context.matmul(x[mine], w).copy())
        assert_same_bits(np.concatenate(parts), one)


@pytest.mark.parametrize("rows", [0, 5, 61])
@pytest.mark.parametrize("shape", [(3, 6), (2, 2, 6)], ids=str)
def test_a_product_takes_any_axes_between_rows_and_columns(rows, shape):
    x, w = data(rows, *shape), data(6, 4, seed=1)
    (one,) = in_context(1, rows, lambda context, mine: context.matmul(x[mine], w).copy())
    assert one.shape == (rows, *shape[:-1], 4)
    np.testing.assert_allclose(one, x @ w, rtol=1e-4, atol=1e-5)
    parts = in_context(5, rows, lambda context, mine: context.matmul(x[mine], w).copy())
    assert_same_bits(np.concatenate(parts), one)


@pytest.mark.parametrize("rows", [0, 5, 61])
def test_a_product_with_a_transposed_matrix_is_the_same_on_any_ranks(rows):
    x, w = data(rows, 6), data(4, 6, seed=1)
    (one,) = in_context(1, rows, lambda context, mine: context.matmul(x[mine], w.T).copy())
    np.testing.assert_allclose(one, x @ w.T, rtol=1e-4, atol=1e-5)
    parts = in_context(3, rows, lambda context, mine: context.matmul(x[mine], w.T).copy())
    assert_same_bits(np.concatenate(parts), one)


@pytest.mark.parametrize("shape", [(6,), (3, 6)], ids=str)
@pytest.mark.parametrize("shards", [1, 8])
def test_a_product_is_written_where_it_is_asked_for(shape, shards):
    x, w = data(11, *shape), data(6, 4, seed=1)
    context, out = alone(11, shards), np.full((11, *shape[:-1], 4), np.nan, np.float32)
    assert context.matmul(x, w, out) is out
    assert_same_bits(out, alone(11, shards).matmul(x, w))


def test_a_gradient_outside_of_training_is_refused():
    context = alone(4)
    context.layer = "dense_1"
    with pytest.raises(RuntimeError, match=r"^layer 'dense_1' asked for a gradient outside of training$"):
        context.gradient(Parameter("w", (2,), "weight", Constant(0), (1, 1)), lambda rows, out: None)
    with pytest.raises(RuntimeError, match=r"^layer 'dense_1' asked for a gradient outside of training$"):
        context.gradient_total(Parameter("w", (2,), "weight", Constant(0), (1, 1)), np.zeros(2))
