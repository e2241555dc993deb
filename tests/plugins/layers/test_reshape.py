"""reshape."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from dtrain_plugins.layers.reshape import Reshape
from tests.plugins.support import built, check_gradients, message_of, run_layer, same_bits


@pytest.mark.parametrize(
    ("shape", "out"), [((2, 6), (2, 6)), ((-1,), (12,)), ((3, -1, 2), (3, 2, 2)), ((12, 1), (12, 1))]
)
def test_gives_each_sample_its_shape_last_dimension_fastest(shape, out):
    x = np.random.Generator(np.random.Philox(0)).standard_normal((5, 3, 4)).astype(np.float32)
    passed = run_layer(partial(Reshape, shape), x, x.reshape(5, *out))
    same_bits(passed.y, x.reshape(5, *out))
    same_bits(passed.dx, x)
    assert run_layer(partial(Reshape, shape), x[:0]).y.shape == (0, *out)
    assert built("layers", "reshape", {"shape": list(shape)}).build((3, 4), None) == out


def test_makes_a_scalar_of_one_element():
    assert run_layer(partial(Reshape, ()), np.ones((3, 1))).y.shape == (3,)


def test_differentiates():
    x = np.random.Generator(np.random.Philox(0)).standard_normal((3, 2, 2))
    check_gradients(partial(Reshape, (4, 1)), x, np.arange(12.0).reshape(3, 4, 1))


@pytest.mark.parametrize("shape", [(0, 2), (-1, -1), (-2,)])
def test_refuses_what_is_no_shape(shape):
    assert message_of(ValueError, lambda: Reshape(shape)) == (
        f"shape takes sizes of at least 1, and -1 at most once, got {list(shape)}"
    )


@pytest.mark.parametrize("shape", [(5,), (5, -1), (24, -1)])
def test_refuses_another_number_of_elements(shape):
    assert message_of(ValueError, lambda: Reshape(shape).build((3, 4), None)) == (
        f"reshape cannot make {list(shape)} of a sample (3, 4) of 12 elements"
    )
