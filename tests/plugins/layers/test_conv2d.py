"""Convolutions of images."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from dtrain.communicator import SerialCommunicator
from dtrain.engine import Layout, Network, Replica
from dtrain.errors import ConfigError
from dtrain_plugins.activations.tanh import Tanh
from dtrain_plugins.layers.conv2d import Conv2d
from dtrain_plugins.layers.dense import Dense
from tests.plugins.layers import slow
from tests.plugins.support import check_gradients, distance, initializer, message_of, run_layer, same_bits

RANDOM = np.random.Generator(np.random.Philox(2))
GRID = [
    # (H, W, C), filters, kernel, stride, dilation, groups
    ((5, 6, 2), 3, (3, 3), (1, 1), (1, 1), 1),
    ((6, 5, 1), 2, (2, 3), (2, 1), (1, 2), 1),
    ((7, 8, 4), 4, (3, 2), (2, 3), (2, 1), 2),
    ((4, 4, 3), 6, (1, 1), (1, 1), (1, 1), 3),
    ((5, 5, 2), 3, (1, 1), (1, 1), (1, 1), 1),
    ((5, 4, 2), 3, (1, 1), (2, 3), (1, 1), 1),
    ((5, 7, 2), 2, (1, 2), (3, 4), (1, 1), 2),
    ((3, 3, 2), 1, (3, 3), (1, 1), (1, 1), 1),
]
every = pytest.mark.parametrize(
    ("shape", "filters", "kernel", "stride", "dilation", "groups"), GRID, ids=str
)  # fmt: skip
paddings = pytest.mark.parametrize("padding", ["valid", "same"])


def values_of(shape, filters, kernel, groups):
    return {
        "weight": RANDOM.standard_normal((*kernel, shape[-1] // groups, filters)),
        "bias": RANDOM.standard_normal(filters),
    }


@every
@paddings
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-5), (np.float64, 1e-13)])
def test_is_the_sum_over_each_window(
    shape, filters, kernel, stride, dilation, groups, padding, dtype, tolerance
):
    values = values_of(shape, filters, kernel, groups)
    x = RANDOM.standard_normal((5, *shape)).astype(dtype)
    expected = slow.convolution(x, values["weight"], values["bias"], stride, dilation, padding, groups)
    for options in ({"sizes": (5,)}, {"sizes": (2, 0, 3), "ranks": 2}):
        make = partial(Conv2d, filters, kernel, stride, padding, dilation, groups)
        y = run_layer(make, x, values=values, **options).y
        assert y.dtype == dtype
        assert distance(y, expected) <= tolerance


@every
@paddings
def test_differentiates(shape, filters, kernel, stride, dilation, groups, padding):
    make = partial(Conv2d, filters, kernel, stride, padding, dilation, groups)
    x, values = RANDOM.standard_normal((2, *shape)), values_of(shape, filters, kernel, groups)
    y = run_layer(make, x, values=values).y
    passed = check_gradients(make, x, RANDOM.standard_normal(y.shape), values=values, sizes=(1, 0, 1))
    assert passed.gradients.keys() == {"weight", "bias"}


def test_differentiates_through_its_activation_without_a_bias():
    make = partial(Conv2d, 2, bias=False, activation=Tanh())
    x, weight = RANDOM.standard_normal((2, 4, 4, 1)), RANDOM.standard_normal((3, 3, 1, 2))
    passed = check_gradients(make, x, RANDOM.standard_normal((2, 2, 2, 2)), values={"weight": weight})
    plain = run_layer(partial(Conv2d, 2, bias=False), x, values={"weight": weight}).y
    assert distance(passed.y, np.tanh(plain)) < 1e-14
    assert passed.gradients.keys() == {"weight"}


@pytest.mark.parametrize("mode", ["valid", "same"])
def test_agrees_with_scipy(mode):
    from scipy import signal

    x, w = RANDOM.standard_normal((9, 8)), RANDOM.standard_normal((3, 5))
    y = run_layer(
        partial(Conv2d, 1, (3, 5), padding=mode), x[None, :, :, None], values={"weight": w[:, :, None, None]}
    ).y
    assert distance(y[0, :, :, 0], signal.correlate2d(x, w, mode)) < 1e-14


def test_one_by_one_is_a_dense_layer_at_each_pixel():
    x, weight = RANDOM.standard_normal((6, 3, 4, 5)), RANDOM.standard_normal((5, 2))
    y = run_layer(partial(Conv2d, 2, 1), x, values={"weight": weight[None, None]}).y
    dense = run_layer(partial(Dense, 2), x.reshape(-1, 5), values={"weight": weight}).y
    assert distance(y.reshape(-1, 2), dense) < 1e-14


def test_a_same_padding_gives_as_many_windows_as_strides():
    for n in range(1, 12):
        for stride in (1, 2, 3, 4):
            shape = Network([("c", Conv2d(1, 3, stride, "same"))], (n, 2 * n, 1), "f8", initializer).shape
            assert shape == (-(-n // stride), -(-2 * n // stride), 1)


@pytest.mark.parametrize("groups", [1, 2])
def test_gives_the_same_bits_on_any_number_of_ranks(groups):
    x = RANDOM.standard_normal((37, 9, 8, 4)).astype(np.float32)
    dy = RANDOM.standard_normal((37, 5, 4, 6)).astype(np.float32)
    make = partial(Conv2d, 6, 3, 2, "same", groups=groups)
    sizes = (5,) * 5 + (4,) * 3
    whole = run_layer(make, x, dy, sizes=sizes)
    for ranks in (1, 2, 3, 5):
        split = run_layer(make, x, dy, sizes=sizes, ranks=ranks)
        same_bits(split.y, whole.y)
        same_bits(split.dx, whole.dx)
        same_bits(split.gradients, whole.gradients)
        assert split.calls == [{}, {}]


def test_the_sum_of_a_bias_gradient_keeps_its_digits():
    dy = (RANDOM.standard_normal((16, 64, 64, 1)) + 3).astype(np.float32)
    bias = run_layer(partial(Conv2d, 1, 1), np.ones_like(dy), dy).gradients["bias"]
    assert distance(bias, dy.sum(dtype=np.float64)[None]) < 1e-6


def parameters(layer, shape):
    return Network([("c", layer)], shape, "f8", initializer).parameters


def test_starts_with_glorot_weights_and_no_bias():
    weight, bias = parameters(Conv2d(6, (3, 5), groups=2), (7, 7, 4))
    assert (weight.name, weight.shape, weight.role) == ("c.weight", (3, 5, 2, 6), "weight")
    # 15 · 2 inputs reach an output, and an input reaches 15 · 3 outputs
    assert weight.fans == (30, 45)
    assert type(weight.initializer).__name__ == "GlorotUniform"
    assert (bias.name, bias.shape, bias.role) == ("c.bias", (6,), "bias")
    assert type(bias.initializer).__name__ == "Zeros"


def test_is_three_by_three_at_every_pixel_by_default():
    layer = Conv2d(2)
    assert (layer.kernel, layer.stride, layer.dilation) == ((3, 3), (1, 1), (1, 1))
    assert (layer.padding, layer.groups, layer.has_bias, layer.activation) == ("valid", 1, True, None)
    assert Network([("c", layer)], (5, 6, 1), "f8", initializer).shape == (3, 4, 2)


@pytest.mark.parametrize("activation", [None, Tanh()])
def test_right_behind_the_data_no_gradient_of_the_data_is_made(activation):
    network = Network([("c", Conv2d(2, activation=activation))], (4, 4, 1), "f8", initializer)
    replica = Replica(network, SerialCommunicator(), 1, 0)
    replica.initialize()
    replica.context.begin(Layout(3, 1, 0, 1), training=True, step=0, epoch=0, place=0)
    x, dy = RANDOM.standard_normal((3, 4, 4, 1)), RANDOM.standard_normal((3, 2, 2, 2))
    _, backward = network.forward(x, replica.context)
    replica.gradients.begin(replica.context.layout.slices)
    assert backward(dy) is None
    wanted = run_layer(partial(Conv2d, 2, activation=activation), x, dy, name="c").gradients
    for parameter in network.parameters:
        assert distance(parameter.grad, wanted[parameter.name.removeprefix("c.")]) < 1e-15


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"filters": 0},
            "filters must be at least 1, and a multiple of groups, got 0 filters in 1 groups",
        ),
        (
            {"filters": 3, "groups": 2},
            "filters must be at least 1, and a multiple of groups, got 3 filters in 2 groups",
        ),
        (
            {"filters": 3, "groups": 0},
            "filters must be at least 1, and a multiple of groups, got 3 filters in 0 groups",
        ),
        ({"filters": 3, "kernel": 0}, "kernel must be at least 1, got 0"),
        ({"filters": 3, "stride": (1, 0)}, "stride must be at least 1, got (1, 0)"),
        ({"filters": 3, "dilation": -1}, "dilation must be at least 1, got -1"),
    ],
)
def test_refuses_options_out_of_range(options, message):
    assert message_of(ValueError, lambda: Conv2d(**options)) == message


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (
            Conv2d(2),
            (64,),
            "conv2d takes samples (H, W, C), channels last, got (64,); put a reshape before it, "
            "and behind that a transpose where the channels come first",
        ),
        (Conv2d(2, groups=2), (8, 8, 3), "conv2d has 2 groups, which 3 channels cannot be cut into"),
        (
            Conv2d(2, 3, dilation=2),
            (8, 4, 1),
            'a window that reaches over (5, 5) does not fit in (8, 4); take padding = "same" or smaller ones',
        ),
    ],
)
def test_refuses_samples_that_do_not_fit(layer, shape, message):
    assert message_of(ConfigError, lambda: parameters(layer, shape)) == f"layer 'c' (Conv2d): {message}"
