"""transpose."""

from __future__ import annotations

from functools import partial
from itertools import permutations

import numpy as np
import pytest

from dtrain_plugins.layers.transpose import Transpose
from tests.plugins.support import built, check_gradients, message_of, run_layer, same_bits


def numbers(*shape):
    return np.random.Generator(np.random.Philox(0)).standard_normal(shape)


@pytest.mark.parametrize("axes", [*permutations(range(3)), (0,), ()])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_puts_the_axes_of_each_sample_into_another_order(axes, dtype):
    shape = (2, 3, 4)[: len(axes)]
    x = numbers(5, *shape).astype(dtype)
    expected = np.stack([np.transpose(sample, axes) for sample in x])
    dy = numbers(*expected.shape).astype(dtype)
    passed = run_layer(partial(Transpose, axes), x, dy)
    same_bits(passed.y, np.ascontiguousarray(expected))
    back = np.empty_like(x)
    for place in np.ndindex(*expected.shape):  # each number goes back to where it came from
        origin = [0] * len(axes)
        for k, axis in enumerate(axes):
            origin[axis] = place[1 + k]
        back[(place[0], *origin)] = dy[place]
    same_bits(passed.dx, back)
    assert passed.y.flags.c_contiguous
    assert run_layer(partial(Transpose, axes), x[:0]).y.shape == (0, *expected.shape[1:])


def test_makes_images_with_the_channels_last():
    image = numbers(3, 8, 6)
    y = run_layer(partial(Transpose, (1, 2, 0)), image[None]).y[0]
    for channel in range(3):
        same_bits(np.ascontiguousarray(y[:, :, channel]), image[channel])
    same_bits(run_layer(partial(Transpose, (2, 0, 1)), y[None]).y[0], image)


def test_takes_its_axes_from_a_config():
    assert built("layers", "transpose", {"axes": [1, 2, 0]}).build((3, 8, 6), None) == (8, 6, 3)


def test_differentiates():
    check_gradients(partial(Transpose, (2, 0, 1)), numbers(3, 2, 2, 3), np.arange(36.0).reshape(3, 3, 2, 2))


@pytest.mark.parametrize("axes", [(0, 0), (1, 2), (-1, 0), (0, 2), (1, 2, 3)])
def test_refuses_what_is_no_order_of_axes(axes):
    assert message_of(ValueError, lambda: Transpose(axes)) == (
        f"axes takes each of 0 … n−1 once, such as [1, 2, 0], got {list(axes)}"
    )


@pytest.mark.parametrize("shape", [(), (4,), (2, 3), (2, 3, 4, 5)])
def test_refuses_samples_with_another_number_of_axes(shape):
    assert message_of(ValueError, lambda: Transpose((1, 2, 0)).build(shape, None)) == (
        f"transpose has 3 axes, [1, 2, 0], got samples {shape} of {len(shape)}"
    )


def test_a_window_that_is_too_large_for_the_channels_names_it():
    layer = built("layers", "conv2d", {"filters": 2, "kernel": 5})
    assert message_of(ValueError, lambda: layer.build((3, 32, 32), None)) == (
        'a window that reaches over (5, 5) does not fit in (3, 32); take padding = "same" or smaller ones, or, if 3 is '
        "the number of channels, put a transpose before it: axes = [1, 2, 0]"
    )
