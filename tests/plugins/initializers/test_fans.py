"""Weights of layers, as drawn: their variance follows how many terms an output has, and how many an input reaches."""

from __future__ import annotations

from functools import partial
from math import sqrt

import numpy as np
import pytest

from dtrain.communicator import SerialCommunicator
from dtrain.engine import Network, Replica
from tests.plugins.support import built, initializer, run_layer

LAYERS = {
    # name of the layer, options, sample
    "dense": ("dense", {"units": 40}, (70,)),
    "conv1d": ("conv1d", {"filters": 48, "kernel": 5, "groups": 2}, (12, 24)),
    "conv2d": ("conv2d", {"filters": 24, "kernel": [3, 5]}, (9, 12, 8)),
    "conv2d-groups": ("conv2d", {"filters": 32, "kernel": 3, "groups": 4, "padding": "same"}, (7, 7, 48)),
    "conv2d-1x1": ("conv2d", {"filters": 30, "kernel": 1}, (2, 2, 60)),
    "conv2d_transpose": ("conv2d_transpose", {"filters": 12, "kernel": [5, 4], "stride": 2}, (6, 6, 10)),
}
LAWS = {
    # variance, kurtosis
    "fan_in_uniform": (lambda n_in, n_out: 1 / (3 * n_in), 9 / 5),
    "lecun_uniform": (lambda n_in, n_out: 1 / n_in, 9 / 5),
    "lecun_normal": (lambda n_in, n_out: 1 / n_in, 3),
    "glorot_uniform": (lambda n_in, n_out: 2 / (n_in + n_out), 9 / 5),
    "glorot_normal": (lambda n_in, n_out: 2 / (n_in + n_out), 3),
    "he_uniform": (lambda n_in, n_out: 2 / n_in, 9 / 5),
    "he_normal": (lambda n_in, n_out: 2 / n_in, 3),
}


def counted(make, sample, weight):
    """(n_in, n_out), counted: with ones everywhere an output is the number of its terms, and a dx likewise."""
    ones = np.ones((1, *sample))
    y = run_layer(make, ones, values={"weight": np.ones(weight)}).y
    dx = run_layer(make, ones, np.ones_like(y), values={"weight": np.ones(weight)}).dx
    return y.max(), dx.max()


@pytest.mark.parametrize(("name", "options", "sample"), LAYERS.values(), ids=LAYERS)
def test_weights_have_the_variance_of_their_fans(name, options, sample):
    make = partial(built, "layers", name, options | {"bias": False})
    for law, (variance, kurtosis) in LAWS.items():
        layer = built("layers", name, options | {"bias": False, "initializer": law})
        network = Network([("layer", layer)], sample, np.float64, initializer)
        Replica(network, SerialCommunicator(), 1, seed=3).initialize()
        (weight,) = network.parameters
        w, expected = weight.value, variance(*counted(make, sample, weight.shape))
        assert w.size > 1500
        assert abs(w.mean()) < 5 * sqrt(expected / w.size), law
        assert abs(w.var() / expected - 1) < 5 * sqrt((kurtosis - 1) / w.size), law
