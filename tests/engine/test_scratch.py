"""Scratch is re-used from step to step, and never within one."""

from __future__ import annotations

import numpy as np
import pytest

from dtrain.engine.scratch import Scratch, aligned


@pytest.mark.parametrize(
    "dtype", ["float32", "float64", "complex128", "bool", np.int8, np.dtype("longdouble")]
)
@pytest.mark.parametrize("shape", [(), (3,), (0,), (0, 4), (2, 3, 5)], ids=str)
def test_an_array_has_the_shape_and_dtype_asked_for(shape, dtype):
    array = Scratch().empty(shape, dtype)
    assert (array.shape, array.dtype) == (shape, np.dtype(dtype))
    assert array.flags.c_contiguous
    assert array.flags.writeable


def test_the_nth_request_of_a_step_gets_the_memory_of_the_nth_request_before():
    scratch = Scratch()
    first = [scratch.empty((4, n), np.float32) for n in range(1, 4)]
    scratch.rewind()
    again = [scratch.empty((4, n), np.float32) for n in range(1, 4)]
    assert all(a is b for a, b in zip(first, again, strict=True))


def test_nothing_is_given_out_twice_within_a_step():
    scratch = Scratch()
    for sizes in ([8, 8, 8, 3], [3, 16, 1, 9], [16, 16, 16, 16]):
        arrays = [scratch.empty((n,), np.float64) for n in sizes]
        for i, array in enumerate(arrays):
            array.fill(i)
        assert [array.tolist() for array in arrays] == [[i] * n for i, n in enumerate(sizes)]
        scratch.rewind()


def test_a_smaller_request_takes_the_start_of_the_same_memory():
    scratch = Scratch()
    large = scratch.empty((10, 4), np.float32)
    scratch.rewind()
    small = scratch.empty((7, 4), np.float32)
    assert small.ctypes.data == large.ctypes.data
    scratch.rewind()
    assert scratch.empty((10, 4), np.float32) is large


def test_memory_starts_at_a_cache_line():
    scratch = Scratch()
    for n in (1, 3, 1000, 17):
        assert scratch.empty((n,), np.int8).ctypes.data % 64 == 0
        assert aligned(n).ctypes.data % 64 == 0
        assert aligned(n).tolist() == [0] * n


def test_shapes_that_change_with_every_step_do_not_pile_up():
    scratch = Scratch()
    for n in range(1000):
        scratch.rewind()
        assert scratch.empty((n,), np.float32).shape == (n,)
    assert max(len(views) for views in scratch._views) <= 65
