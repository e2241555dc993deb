"""Windows on grids of one and two dimensions, whatever their sizes."""

from __future__ import annotations

from math import prod

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dtrain_plugins.layers.windows import Windows, sizes
from tests.plugins.layers import slow
from tests.plugins.support import frozen, lone_context, message_of

RANDOM = np.random.Generator(np.random.Philox(9))


@st.composite
def windows(draw):
    """The arguments of Windows, of windows that fit."""
    dimensions = draw(st.integers(1, 2))
    grid, kernel, stride, dilation = (
        tuple(draw(st.integers(1, most)) for _ in range(dimensions)) for most in (8, 4, 5, 3)
    )
    padding = draw(st.sampled_from(["valid", "same"]))
    if padding == "valid":
        assume(all((k - 1) * d < n for n, k, d in zip(grid, kernel, dilation, strict=True)))
    return grid, kernel, stride, dilation, padding


def flat(numbers):
    """One dimension as two, the first of one place."""
    return numbers if len(numbers) == 2 else (1, *numbers)


@settings(deadline=None)
@given(windows(), st.integers(0, 3), st.integers(1, 3))
def test_patches_are_what_each_window_sees(given_windows, rows, channels):
    grid, kernel, stride, dilation, padding = given_windows
    made = Windows(*given_windows)
    x = frozen(RANDOM.standard_normal((rows, *grid, channels)))
    patches = made.patches(x, lone_context(rows))
    two = [flat(numbers) for numbers in (grid, kernel, stride, dilation)]
    counts = slow.counts(*two, padding)
    assert flat(made.count) == counts
    expected = np.zeros((rows, *counts, *two[1], channels))
    for out, k, place in slow.window_of(*two, padding):
        expected[(slice(None), *out, *k)] = x.reshape(rows, *two[0], channels)[(slice(None), *place)]
    assert (patches == expected.reshape(patches.shape)).all()


@settings(deadline=None)
@given(windows(), st.integers(0, 3), st.integers(1, 3), st.integers(1, 3))
def test_scatter_is_the_transpose_of_patches_and_product(given_windows, rows, channels, filters):
    grid, kernel = given_windows[:2]
    made, context = Windows(*given_windows), lone_context(rows)
    x = RANDOM.standard_normal((rows, *grid, channels))
    w = RANDOM.standard_normal((prod(kernel) * channels, filters))
    dy = RANDOM.standard_normal((rows, *made.count, filters))
    forth, back = made.patches(x, context) @ w, made.scatter(dy, w, context)
    assert back.shape == x.shape
    assert back.flags.c_contiguous
    assert (forth * dy).sum() == pytest.approx((x * back).sum(), abs=1e-11)


def test_the_odd_element_of_a_padding_is_behind():
    made = Windows((4,), (4,), (1,), (1,), "same")
    x = np.arange(1.0, 5).reshape(1, 4, 1)
    assert made.patches(x, lone_context(1))[0].tolist() == [
        [0, 1, 2, 3],
        [1, 2, 3, 4],
        [2, 3, 4, 0],
        [3, 4, 0, 0],
    ]


def test_sizes_are_one_number_or_one_a_dimension():
    assert (sizes(3, 2, "kernel"), sizes((1, 2), 2, "kernel")) == ((3, 3), (1, 2))
    assert (
        message_of(ValueError, lambda: sizes((1, 0), 2, "kernel")) == "kernel must be at least 1, got (1, 0)"
    )
