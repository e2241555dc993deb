"""Transposed convolutions."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from dtrain.communicator import SerialCommunicator
from dtrain.engine import Layout, Network, Replica
from dtrain.errors import ConfigError
from dtrain_plugins.activations.tanh import Tanh
from dtrain_plugins.layers.conv2d import Conv2d
from dtrain_plugins.layers.conv2d_transpose import Conv2dTranspose
from tests.plugins.layers import slow
from tests.plugins.support import check_gradients, distance, initializer, message_of, run_layer, same_bits

RANDOM = np.random.Generator(np.random.Philox(4))
GRID = [
    # (H, W, C), filters, kernel, stride, dilation
    ((3, 4, 2), 3, (3, 3), (1, 1), (1, 1)),
    ((3, 2, 3), 2, (2, 3), (2, 1), (1, 2)),
    ((2, 3, 1), 1, (4, 2), (2, 3), (1, 1)),
    ((3, 3, 2), 2, (1, 1), (1, 1), (1, 1)),
]
every = pytest.mark.parametrize(("shape", "filters", "kernel", "stride", "dilation"), GRID, ids=str)
paddings = pytest.mark.parametrize("padding", ["valid", "same"])


def by_hand(x, w, b, stride, dilation, padding, shape):
    """Every pixel adds its kernel to the output, where it lies in it."""
    y = np.zeros((len(x), *shape, w.shape[2])) + b
    for place, k, out in slow.window_of(shape, w.shape[:2], stride, dilation, padding):
        for f in range(w.shape[2]):
            for c in range(w.shape[3]):
                y[(slice(None), *out, f)] += x[(slice(None), *place, c)] * w[(*k, f, c)]
    return y


@every
@paddings
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-5), (np.float64, 1e-13)])
def test_every_pixel_adds_its_kernel(shape, filters, kernel, stride, dilation, padding, dtype, tolerance):
    weight, bias = RANDOM.standard_normal((*kernel, filters, shape[-1])), RANDOM.standard_normal(filters)
    x = RANDOM.standard_normal((5, *shape)).astype(dtype)
    make = partial(Conv2dTranspose, filters, kernel, stride, padding, dilation)
    y = run_layer(make, x, values={"weight": weight, "bias": bias}, sizes=(2, 0, 3), ranks=2).y
    if padding == "same":
        out = tuple(n * s for n, s in zip(shape[:2], stride, strict=True))
    else:
        out = tuple(
            (n - 1) * s + (k - 1) * d + 1
            for n, k, s, d in zip(shape[:2], kernel, stride, dilation, strict=True)
        )
    assert y.shape == (5, *out, filters)
    assert distance(y, by_hand(x, weight, bias, stride, dilation, padding, out)) <= tolerance


@every
@paddings
def test_differentiates(shape, filters, kernel, stride, dilation, padding):
    values = {
        "weight": RANDOM.standard_normal((*kernel, filters, shape[-1])),
        "bias": RANDOM.standard_normal(filters),
    }
    make = partial(Conv2dTranspose, filters, kernel, stride, padding, dilation)
    x = RANDOM.standard_normal((2, *shape))
    y = run_layer(make, x, values=values).y
    check_gradients(make, x, RANDOM.standard_normal(y.shape), values=values, sizes=(1, 0, 1))


@paddings
def test_is_the_transpose_of_a_convolution(padding):
    weight = RANDOM.standard_normal((3, 2, 4, 5))
    x, y = RANDOM.standard_normal((2, 8, 9, 4)), None
    forth = run_layer(
        partial(Conv2d, 5, (3, 2), (2, 3), padding, bias=False), x[:, :7, :8] if padding == "valid" else x,
        values={"weight": weight},
    ).y  # fmt: skip
    y = RANDOM.standard_normal(forth.shape)
    back = run_layer(
        partial(Conv2dTranspose, 4, (3, 2), (2, 3), padding, bias=False), y, values={"weight": weight}
    ).y
    x = x[:, : back.shape[1], : back.shape[2]]
    assert (forth * y).sum() == pytest.approx((x * back).sum(), rel=1e-12)


def test_gives_the_same_bits_on_any_number_of_ranks():
    x = RANDOM.standard_normal((37, 4, 3, 4)).astype(np.float32)
    dy = RANDOM.standard_normal((37, 8, 6, 3)).astype(np.float32)
    make = partial(Conv2dTranspose, 3, 3, 2, "same", activation=Tanh())
    sizes = (5,) * 5 + (4,) * 3
    whole = run_layer(make, x, dy, sizes=sizes)
    for ranks in (1, 2, 3, 5):
        split = run_layer(make, x, dy, sizes=sizes, ranks=ranks)
        same_bits(split.y, whole.y)
        same_bits(split.dx, whole.dx)
        same_bits(split.gradients, whole.gradients)


def test_is_three_by_three_by_default_and_counts_what_reaches_a_pixel():
    network = Network([("c", Conv2dTranspose(2))], (3, 4, 5), "f8", initializer)
    weight, bias = network.parameters
    assert network.shape == (5, 6, 2)
    assert (weight.shape, weight.fans, bias.shape) == ((3, 3, 2, 5), (45, 18), (2,))
    (weight,) = Network(
        [("c", Conv2dTranspose(2, (3, 2), 2, bias=False))], (3, 4, 5), "f8", initializer
    ).parameters
    assert weight.fans == (2 * 1 * 5, 6 * 2)


def test_right_behind_the_data_no_gradient_of_the_data_is_made():
    network = Network([("c", Conv2dTranspose(2))], (3, 3, 1), "f8", initializer)
    replica = Replica(network, SerialCommunicator(), 1, 0)
    replica.initialize()
    replica.context.begin(Layout(3, 1, 0, 1), training=True, step=0, epoch=0, place=0)
    _, backward = network.forward(RANDOM.standard_normal((3, 3, 3, 1)), replica.context)
    replica.gradients.begin(replica.context.layout.slices)
    assert backward(RANDOM.standard_normal((3, 5, 5, 2))) is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"filters": 0}, "filters must be at least 1, got 0"),
        ({"filters": 2, "kernel": (0, 3)}, "kernel must be at least 1, got (0, 3)"),
        ({"filters": 2, "stride": 0}, "stride must be at least 1, got 0"),
        ({"filters": 2, "dilation": 0}, "dilation must be at least 1, got 0"),
    ],
)
def test_refuses_options_out_of_range(options, message):
    assert message_of(ValueError, lambda: Conv2dTranspose(**options)) == message


def test_refuses_what_is_no_image():
    build = partial(Network, [("c", Conv2dTranspose(2))], (64,), "f8", initializer)
    assert message_of(ConfigError, build) == (
        "layer 'c' (Conv2dTranspose): conv2d_transpose takes samples (H, W, C), channels last, got (64,); "
        "put a reshape before it, "
        "and behind that a transpose where the channels come first"
    )
