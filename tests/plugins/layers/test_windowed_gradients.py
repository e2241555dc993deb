"""Gradients of all that has windows, for any sizes, strides, dilations, groups and paddings, over uneven shards.

A complex step in a random direction gives the derivative to the last digits, from the forward alone.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dtrain_plugins.layers.average_pool1d import AveragePool1d
from dtrain_plugins.layers.average_pool2d import AveragePool2d
from dtrain_plugins.layers.conv1d import Conv1d
from dtrain_plugins.layers.conv2d import Conv2d
from dtrain_plugins.layers.conv2d_transpose import Conv2dTranspose
from dtrain_plugins.layers.max_pool1d import MaxPool1d
from dtrain_plugins.layers.max_pool2d import MaxPool2d
from tests.plugins.support import STEP, run_layer, same_bits

SHARDS = (2, 0, 1)
few = settings(deadline=None, max_examples=60)


def sizes(draw, dimensions, most):
    return tuple(draw(st.integers(1, most)) for _ in range(dimensions))


@st.composite
def convolutions(draw, dimensions):
    """(factory, sample, shape of the weight, filters) of a convolution that fits."""
    grid, kernel, stride, dilation = (sizes(draw, dimensions, most) for most in (7, 4, 4, 3))
    padding, groups = draw(st.sampled_from(["valid", "same"])), draw(st.integers(1, 3))
    inputs, outputs = draw(st.integers(1, 2)), draw(st.integers(1, 2))
    fits = all((k - 1) * d < n for n, k, d in zip(grid, kernel, dilation, strict=True))
    assume(fits or padding == "same")
    part = Conv2d if dimensions == 2 else Conv1d
    one = (lambda numbers: numbers) if dimensions == 2 else (lambda numbers: numbers[0])
    filters = outputs * groups
    make = partial(part, filters, one(kernel), one(stride), padding, one(dilation), groups)
    return make, (*grid, inputs * groups), (*kernel, inputs, filters), filters


@st.composite
def transposes(draw):
    grid, kernel, stride, dilation = (sizes(draw, 2, most) for most in (4, 4, 4, 3))
    padding, channels, filters = (
        draw(st.sampled_from(["valid", "same"])),
        draw(st.integers(1, 3)),
        draw(st.integers(1, 3)),
    )
    make = partial(Conv2dTranspose, filters, kernel, stride, padding, dilation)
    return make, (*grid, channels), (*kernel, filters, channels), filters


@st.composite
def pools(draw, dimensions, part):
    grid, size, stride = (sizes(draw, dimensions, most) for most in (8, 4, 4))
    padding = draw(st.sampled_from(["valid", "same"]))
    assume(padding == "same" or all(n >= k for n, k in zip(grid, size, strict=True)))
    one = (lambda numbers: numbers) if dimensions == 2 else (lambda numbers: numbers[0])
    return partial(part, one(size), one(stride), padding), (*grid, draw(st.integers(1, 3)))


def check(make, sample, values, seed):
    """Compares ⟨gradient, v⟩ with Im f(… + ihv)/h, f = Σ y·dy, for a direction v of x and of each parameter.

    And the bits of one rank with those of two.
    """
    random = np.random.Generator(np.random.Philox(seed))
    values = {name: random.standard_normal(shape) for name, shape in values.items()}
    x = random.standard_normal((sum(SHARDS), *sample))
    dy = random.standard_normal(run_layer(make, x, values=values).y.shape)
    passed = run_layer(make, x, dy, values=values, sizes=SHARDS)
    split = run_layer(make, x, dy, values=values, sizes=SHARDS, ranks=2)
    same_bits(
        {"y": split.y, "dx": split.dx} | split.gradients, {"y": passed.y, "dx": passed.dx} | passed.gradients
    )
    assert passed.gradients.keys() == values.keys()
    points, gradients = {"x": x} | values, {"x": passed.dx} | passed.gradients
    for name, point in points.items():
        v = random.standard_normal(point.shape)
        moved = points | {name: point + 1j * STEP * v}
        y = run_layer(make, moved.pop("x").astype(complex), values=moved).y
        slope = (y * dy).sum().imag / STEP
        # A sum that nearly cancels keeps the rounding of its terms.
        scale = (np.linalg.norm(gradients[name]) + np.linalg.norm(dy)) * np.linalg.norm(v)
        assert abs((gradients[name] * v).sum() - slope) <= 1e-12 * scale, name


@pytest.mark.parametrize("dimensions", [1, 2])
@few
@given(st.data(), st.integers(0, 2**32))
def test_convolutions_differentiate_whatever_their_sizes(dimensions, data, seed):
    make, sample, weight, filters = data.draw(convolutions(dimensions))
    check(make, sample, {"weight": weight, "bias": (filters,)}, seed)


@few
@given(transposes(), st.integers(0, 2**32))
def test_transposed_convolutions_differentiate_whatever_their_sizes(drawn, seed):
    make, sample, weight, filters = drawn
    check(make, sample, {"weight": weight, "bias": (filters,)}, seed)


@pytest.mark.parametrize(
    ("dimensions", "part"), [(1, MaxPool1d), (2, MaxPool2d), (1, AveragePool1d), (2, AveragePool2d)]
)
@few
@given(st.data(), st.integers(0, 2**32))
def test_pools_differentiate_whatever_their_sizes(dimensions, part, data, seed):
    make, sample = data.draw(pools(dimensions, part))
    check(make, sample, {}, seed)
