"""Dense layers, convolutions and pools against PyTorch's, also where PyTorch pads otherwise."""

from __future__ import annotations

from functools import partial
from math import prod

import numpy as np
import pytest

from tests.plugins.support import built
from tests.pytorch.support import compare, dtypes, first, last, numbers, torch

F = torch.nn.functional
paddings = pytest.mark.parametrize("padding", ["valid", "same"])

CONVOLUTIONS = [
    # sample, filters, kernel, stride, dilation, groups
    ((7, 6, 2), 3, (3, 3), (1, 1), (1, 1), 1),
    ((6, 8, 3), 4, (5, 4), (1, 1), (1, 1), 1),
    ((9, 8, 4), 6, (3, 2), (2, 3), (2, 1), 2),
    ((8, 7, 3), 6, (2, 3), (1, 2), (3, 2), 3),
    ((5, 5, 2), 3, (1, 1), (1, 1), (1, 1), 1),
    ((5, 6, 2), 3, (1, 1), (2, 3), (1, 1), 1),
    ((12, 2), 3, (3,), (1,), (1,), 1),
    ((11, 4), 6, (4,), (3,), (2,), 2),
]
TRANSPOSES = [
    # sample, filters, kernel, stride, dilation
    ((4, 3, 2), 3, (3, 3), (1, 1), (1, 1)),
    ((3, 4, 3), 2, (4, 3), (2, 2), (1, 1)),
    ((3, 3, 2), 2, (2, 3), (1, 3), (2, 2)),
    ((2, 3, 1), 2, (1, 2), (3, 3), (1, 1)),
]
POOLS = [
    # sample, size, stride
    ((6, 8, 3), (2, 2), (2, 2)),
    ((7, 8, 2), (3, 2), (2, 3)),
    ((7, 5, 1), (2, 3), (1, 1)),
    ((5, 6, 2), (1, 2), (3, 3)),
    ((9, 2), (2,), (2,)),
    ((8, 3), (3,), (2,)),
]


def around(sample, kernel, stride, dilation, padding):
    """What F.pad is to add, last dimension first: PyTorch's own padding is the same on both sides."""
    pads = []
    for n, k, s, d in zip(sample[-2::-1], kernel[::-1], stride[::-1], dilation[::-1], strict=True):
        missing = max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0) if padding == "same" else 0
        pads += [missing // 2, missing - missing // 2]
    return pads


def kernel_first(weight):
    """(*kernel, inputs, outputs) → (outputs, inputs, *kernel)."""
    return weight.movedim((-1, -2), (0, 1)).contiguous()


def options_of(**options):
    """As a config has them: a number for each dimension, or one number for one."""
    return {name: list(v) if isinstance(v, tuple) and len(v) > 1 else v[0] if isinstance(v, tuple) else v
            for name, v in options.items()}  # fmt: skip


@dtypes
def test_dense_agrees(dtype):
    values = {"weight": numbers(5, 4, seed=2), "bias": numbers(4, seed=3)}
    make = partial(built, "layers", "dense", {"units": 4})
    compare(make, lambda x, weight, bias: F.linear(x, weight.T, bias), numbers(9, 5), dtype, values)


@pytest.mark.parametrize(
    ("sample", "filters", "kernel", "stride", "dilation", "groups"), CONVOLUTIONS, ids=str
)
@paddings
@dtypes
def test_convolutions_agree(sample, filters, kernel, stride, dilation, groups, padding, dtype):
    def theirs(x, weight, bias):
        padded = F.pad(first(x), around(sample, kernel, stride, dilation, padding))
        function = F.conv2d if len(kernel) == 2 else F.conv1d
        return last(function(padded, kernel_first(weight), bias, stride, 0, dilation, groups))

    options = options_of(filters=filters, kernel=kernel, stride=stride, dilation=dilation)
    options |= {"groups": groups, "padding": padding}
    make = partial(built, "layers", f"conv{len(kernel)}d", options)
    values = {
        "weight": numbers(*kernel, sample[-1] // groups, filters, seed=2),
        "bias": numbers(filters, seed=3),
    }
    compare(make, theirs, numbers(5, *sample), dtype, values, sizes=(3, 0, 2), ranks=2)


@pytest.mark.parametrize("kernel", [(3, 3), (5, 1)], ids=str)
def test_same_is_pytorchs_same_where_it_has_one(kernel):
    """At stride 1, with kernels of odd length."""

    def theirs(x, weight):
        return last(F.conv2d(first(x), kernel_first(weight), padding="same", dilation=2))

    options = {"filters": 3, "kernel": list(kernel), "dilation": 2, "padding": "same", "bias": False}
    values = {"weight": numbers(*kernel, 2, 3, seed=2)}
    compare(partial(built, "layers", "conv2d", options), theirs, numbers(4, 6, 7, 2), np.float64, values)


@pytest.mark.parametrize(("sample", "filters", "kernel", "stride", "dilation"), TRANSPOSES, ids=str)
@paddings
@dtypes
def test_transposed_convolutions_agree(sample, filters, kernel, stride, dilation, padding, dtype):
    def theirs(x, weight, bias):
        # Its weight is (inputs, outputs, *kernel), ours (*kernel, outputs, inputs).
        y = F.conv_transpose2d(first(x), kernel_first(weight), None, stride, dilation=dilation)
        if padding == "same":  # cut to (or filled up to) stride times the input, the odd one behind
            extra = [n * s - full for n, s, full in zip(sample, stride, y.shape[2:], strict=False)]
            y = F.pad(y, [e for n in extra[::-1] for e in ((-(-n // 2), n // 2) if n < 0 else (0, n))])
        return last(y) + bias

    options = options_of(filters=filters, kernel=kernel, stride=stride, dilation=dilation, padding=padding)
    make = partial(built, "layers", "conv2d_transpose", options)
    values = {"weight": numbers(*kernel, filters, sample[-1], seed=2), "bias": numbers(filters, seed=3)}
    compare(make, theirs, numbers(5, *sample), dtype, values, sizes=(3, 0, 2), ranks=2)


@pytest.mark.parametrize(("sample", "size", "stride"), POOLS, ids=str)
@paddings
@pytest.mark.parametrize("kind", ["max", "average"])
@dtypes
def test_pools_agree(sample, size, stride, padding, kind, dtype):
    two = len(size) == 2
    pads = around(sample, size, stride, (1, 1)[: len(size)], padding)
    maximum, mean = (F.max_pool2d, F.avg_pool2d) if two else (F.max_pool1d, F.avg_pool1d)

    def theirs(x):
        if kind == "max":
            return last(maximum(F.pad(first(x), pads, value=float("-inf")), size, stride))
        inside = torch.ones_like(first(x))  # what is padded is not counted
        return last(mean(F.pad(first(x), pads), size, stride) / mean(F.pad(inside, pads), size, stride))

    make = partial(
        built, "layers", f"{kind}_pool{len(size)}d", options_of(size=size, stride=stride, padding=padding)
    )
    compare(make, theirs, numbers(5, *sample), dtype, sizes=(3, 0, 2), ranks=2)


@pytest.mark.parametrize("sample", [(5, 4, 3), (7, 2)], ids=str)
@dtypes
def test_global_pools_agree(sample, dtype):
    def theirs(x):
        return x.reshape(len(x), prod(sample[:-1]), sample[-1]).mean(dim=1)

    make = partial(built, "layers", f"global_average_pool{len(sample) - 1}d", {})
    compare(make, theirs, numbers(4, *sample), dtype)


@dtypes
def test_upsampling_agrees(dtype):
    def theirs(x):
        return last(F.interpolate(first(x), scale_factor=(2, 3), mode="nearest"))

    compare(partial(built, "layers", "upsample2d", {"factor": [2, 3]}), theirs, numbers(4, 3, 2, 5), dtype)
