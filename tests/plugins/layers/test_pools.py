"""All pools: of images and sequences, greatest and mean."""

from __future__ import annotations

from functools import partial
from math import fsum

import numpy as np
import pytest

from dtrain.engine import Network
from dtrain.errors import ConfigError
from dtrain_plugins.layers.average_pool1d import AveragePool1d
from dtrain_plugins.layers.average_pool2d import AveragePool2d
from dtrain_plugins.layers.max_pool1d import MaxPool1d
from dtrain_plugins.layers.max_pool2d import MaxPool2d
from tests.plugins.layers import slow
from tests.plugins.support import check_gradients, distance, initializer, message_of, run_layer, same_bits

RANDOM = np.random.Generator(np.random.Philox(6))


def mean(numbers):
    return fsum(numbers) / len(numbers)


two = pytest.mark.parametrize(("part", "of"), [(MaxPool2d, max), (AveragePool2d, mean)], ids=["max", "mean"])
one = pytest.mark.parametrize(
    ("part", "flat", "of"),
    [(MaxPool1d, MaxPool2d, max), (AveragePool1d, AveragePool2d, mean)],
    ids=["max", "mean"],
)
both = pytest.mark.parametrize("part", [MaxPool2d, AveragePool2d], ids=["max", "mean"])
paddings = pytest.mark.parametrize("padding", ["valid", "same"])
grid = pytest.mark.parametrize(
    ("shape", "size", "stride"),
    [
        ((4, 6, 2), (2, 2), (2, 2)),
        ((5, 7, 1), (3, 2), (2, 1)),
        ((5, 5, 3), (2, 3), (3, 4)),
        ((4, 3, 2), (1, 1), (1, 1)),
        ((5, 5, 1), (1, 1), (2, 2)),
        ((3, 3, 2), (3, 3), (1, 1)),
    ],
    ids=str,
)


@two
@grid
@paddings
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-6), (np.float64, 1e-14)])
def test_makes_one_number_of_each_window(part, of, shape, size, stride, padding, dtype, tolerance):
    x = RANDOM.standard_normal((5, *shape)).astype(dtype) - 3  # a padding of zeros would be the greatest
    y = run_layer(partial(part, size, stride, padding), x, sizes=(2, 0, 3), ranks=2).y
    assert y.dtype == dtype
    assert distance(y, slow.pool(x, size, stride, padding, of)) <= tolerance


@two
@grid
@paddings
def test_differentiates(part, of, shape, size, stride, padding):
    x = RANDOM.standard_normal((2, *shape))
    make = partial(part, size, stride, padding)
    y = run_layer(make, x).y
    check_gradients(make, x, RANDOM.standard_normal(y.shape), sizes=(1, 0, 1))


@one
@paddings
@pytest.mark.parametrize(("n", "size", "stride"), [(8, 2, 2), (7, 3, 2), (5, 2, 3)])
def test_a_sequence_is_an_image_one_pixel_high(part, flat, of, padding, n, size, stride):
    x = RANDOM.standard_normal((3, n, 2))
    make = partial(part, size, stride, padding)
    y = run_layer(make, x).y
    assert distance(y, slow.pool(x[:, None], (1, size), (1, stride), padding, of)[:, 0]) < 1e-14
    same_bits(y, run_layer(partial(flat, (1, size), (1, stride), padding), x[:, None]).y[:, 0])
    check_gradients(make, x, RANDOM.standard_normal(y.shape), sizes=(2, 0, 1))


@both
def test_halves_images_by_default(part):
    layer = part()
    assert (layer.size, layer.stride, layer.padding) == ((2, 2), (2, 2), "valid")
    assert part(3).stride == (3, 3)
    assert run_layer(part, np.zeros((1, 5, 6, 3))).y.shape == (1, 2, 3, 3)


@one
def test_halves_sequences_by_default(part, flat, of):
    assert run_layer(part, np.zeros((1, 7, 3))).y.shape == (1, 3, 3)


def test_of_equal_numbers_the_first_gets_the_gradient():
    passed = run_layer(MaxPool2d, np.zeros((1, 4, 4, 1)), np.ones((1, 2, 2, 1)))
    assert passed.dx[0, :, :, 0].tolist() == [[1, 0, 1, 0], [0, 0, 0, 0], [1, 0, 1, 0], [0, 0, 0, 0]]


def test_no_number_is_not_hidden_and_infinity_is_one():
    x = np.zeros((3, 2, 2, 1))
    x[0, 1, 0], x[1, 0, 0], x[2] = np.nan, np.nan, -np.inf
    y = run_layer(MaxPool2d, x).y[:, 0, 0, 0]
    assert np.isnan(y[:2]).all()
    assert y[2] == -np.inf
    dx = run_layer(MaxPool2d, np.full((1, 2, 2, 1), -np.inf), np.ones((1, 1, 1, 1))).dx
    assert dx.ravel().tolist() == [1, 0, 0, 0]


def test_padding_is_not_averaged():
    y = run_layer(partial(AveragePool2d, 3, 1, "same"), np.ones((1, 4, 4, 2), np.float32)).y
    assert np.abs(y - 1).max() < 1e-6


@both
@paddings
def test_gives_the_same_bits_on_any_number_of_ranks(part, padding):
    x = RANDOM.standard_normal((37, 8, 6, 3)).astype(np.float32)
    make = partial(part, (3, 2), (2, 1), padding)
    dy = RANDOM.standard_normal(run_layer(make, x).y.shape).astype(np.float32)
    sizes = (5,) * 5 + (4,) * 3
    whole = run_layer(make, x, dy, sizes=sizes)
    for ranks in (1, 2, 3, 5):
        split = run_layer(make, x, dy, sizes=sizes, ranks=ranks)
        same_bits(split.y, whole.y)
        same_bits(split.dx, whole.dx)
        assert split.calls == [{}, {}]


@pytest.mark.parametrize(
    ("part", "name", "axes"),
    [
        (MaxPool2d, "max_pool2d", "(H, W, C)"),
        (AveragePool2d, "average_pool2d", "(H, W, C)"),
        (MaxPool1d, "max_pool1d", "(n, C)"),
        (AveragePool1d, "average_pool1d", "(n, C)"),
    ],
)
def test_refuses_what_does_not_fit(part, name, axes):
    assert message_of(ValueError, lambda: part(0)) == "size must be at least 1, got 0"
    assert message_of(ValueError, lambda: part(2, -1)) == "stride must be at least 1, got -1"
    build = partial(Network, [("p", part())], (64,), "f8", initializer)
    assert message_of(ConfigError, build) == (
        f"layer 'p' ({part.__name__}): {name} takes samples {axes}, channels last, got (64,); "
        "put a reshape before it, "
        "and behind that a transpose where the channels come first"
    )
    grid = (1,) * part.dimensions
    build = partial(Network, [("p", part())], (*grid, 3), "f8", initializer)
    assert message_of(ConfigError, build) == (
        f"layer 'p' ({part.__name__}): a window that reaches over {tuple(2 for _ in grid)} does not fit in "
        f'{grid}; take padding = "same" or smaller ones'
    )
