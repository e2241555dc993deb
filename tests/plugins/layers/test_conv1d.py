"""Convolutions of sequences."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from dtrain.engine import Network
from dtrain.errors import ConfigError
from dtrain_plugins.layers.conv1d import Conv1d
from tests.plugins.layers import slow
from tests.plugins.support import check_gradients, distance, initializer, message_of, run_layer

RANDOM = np.random.Generator(np.random.Philox(3))


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize(
    ("shape", "filters", "kernel", "stride", "dilation", "groups"),
    [((9, 2), 3, 3, 1, 1, 1), ((8, 4), 4, 2, 3, 2, 2), ((5, 1), 2, 4, 2, 1, 1), ((5, 2), 2, 1, 1, 1, 1)],
    ids=str,
)
def test_is_a_convolution_of_images_one_pixel_high(shape, filters, kernel, stride, dilation, groups, padding):
    weight = RANDOM.standard_normal((kernel, shape[-1] // groups, filters))
    bias = RANDOM.standard_normal(filters)
    x = RANDOM.standard_normal((3, *shape))
    make = partial(Conv1d, filters, kernel, stride, padding, dilation, groups)
    values = {"weight": weight, "bias": bias}
    y = run_layer(make, x, values=values).y
    expected = slow.convolution(
        x[:, None], weight[None], bias, (1, stride), (1, dilation), padding, groups
    )  # fmt: skip
    assert distance(y, expected[:, 0]) < 1e-13
    check_gradients(make, x, RANDOM.standard_normal(y.shape), values=values, sizes=(2, 0, 1))


def test_is_three_wide_by_default():
    network = Network([("c", Conv1d(2))], (7, 4), "f8", initializer)
    weight, bias = network.parameters
    assert network.shape == (5, 2)
    assert (weight.shape, weight.fans, bias.shape) == ((3, 4, 2), (12, 6), (2,))


def test_refuses_what_does_not_fit():
    assert message_of(ValueError, lambda: Conv1d(2, kernel=0)) == "kernel must be at least 1, got 0"
    for shape, message in [
        (
            (7,),
            "conv1d takes samples (n, C), channels last, got (7,); put a reshape before it, "
            "and behind that a transpose where the channels come first",
        ),
        (
            (2, 7),
            'a window that reaches over (3,) does not fit in (2,); take padding = "same" or smaller ones',
        ),
    ]:
        build = partial(Network, [("c", Conv1d(2))], shape, "f8", initializer)
        assert message_of(ConfigError, build) == f"layer 'c' (Conv1d): {message}"
