"""Warnings before the first step, and when there is nothing to warn about."""

from __future__ import annotations

import numpy as np
import pytest

from dtrain.communicator import SerialCommunicator
from dtrain.config import load
from dtrain.engine import Replica
from dtrain.trainer import build_job
from dtrain.trainer.advice import warnings_of

DENSE = {"name": "dense", "units": 3}
NORM = {"name": "batch_norm"}
ABSORBED = (
    "layer 'dense_1' has a bias that layer 'batch_norm_1' takes away again: it drifts and does nothing; "
    "leave it out (bias = false)"
)
EQUAL = (
    "layer 'dense_1': its weights all start at {}, so that its units learn the same and train as one; "
    "choose another initializer"
)
CASES = {
    "a bias in front of a batch norm": ([DENSE, NORM, DENSE], [ABSORBED]),
    "no bias": ([{**DENSE, "bias": False}, NORM, DENSE], []),
    "an activation between them": ([{**DENSE, "activation": "relu"}, NORM, DENSE], []),
    "an activation layer between them": ([DENSE, {"name": "relu"}, NORM, DENSE], []),
    "somebody else needs the bias": (
        [{**DENSE, "id": "dense_1"}, NORM, {"name": "sum_of_acme", "inputs": ["dense_1", "batch_norm_1"]}],
        [],
    ),
    "zeros": ([{**DENSE, "initializer": "zeros"}, DENSE], [EQUAL.format(0)]),
    "ones": ([{**DENSE, "initializer": "ones"}, DENSE], [EQUAL.format(1)]),
    "zeros in the last layer": ([DENSE, {**DENSE, "initializer": "zeros"}], []),
    "zeros in front of what does not learn": ([{**DENSE, "initializer": "zeros"}, {"name": "relu"}], []),
}


@pytest.mark.parametrize(("layers", "warnings"), CASES.values(), ids=CASES)
def test_warnings(layers, warnings, tmp_path, monkeypatch):
    np.savez(tmp_path / "x.npz", x=np.ones((4, 3)), y=np.ones((4, 3)))
    if any(layer["name"] == "sum_of_acme" for layer in layers):
        _install_sum(monkeypatch)
    tables = {
        "data": {"name": "npz", "path": str(tmp_path / "x.npz")},
        "network": layers,
        "loss": "mse",
        "optimizer": "sgd",
        "train": {"epochs": 1},
    }
    job = build_job(load(tables), SerialCommunicator())
    Replica(job.network, SerialCommunicator(), 8, 0).initialize()
    assert warnings_of(job.network) == warnings


CONV = {"name": "conv2d", "filters": 2, "kernel": 1}
FLAT = {"name": "flatten"}
FIRST = (
    "layer {name!r} takes samples {shape} as {0}×{1} places of {2} channels each; if they are images with the {0} "
    "channels first, put a transpose before it: axes = [1, 2, 0]"
)
IMAGES = {
    "channels first": ((3, 8, 8), [CONV, FLAT], "conv2d_1"),
    "no squares": ((1, 6, 9), [CONV, FLAT], "conv2d_1"),
    "transparency": ((4, 8, 8), [{"name": "max_pool2d", "padding": "same"}, FLAT], "max_pool2d_1"),
    "behind a layer that keeps the shape": (
        (3, 8, 8),
        [{"name": "standardize"}, CONV, CONV, FLAT],
        "conv2d_1",
    ),
    "in a container": (
        (3, 8, 8),
        [{"name": "residual", "layers": [{**CONV, "filters": 8}]}, FLAT],
        "residual_1.1",
    ),
    "channels last": ((8, 8, 3), [CONV, FLAT], None),
    "transposed": ((3, 8, 8), [{"name": "transpose", "axes": [1, 2, 0]}, CONV, FLAT], None),
    "two channels": ((2, 8, 8), [CONV, FLAT], None),
    "small maps": ((3, 4, 4), [CONV, FLAT], None),
    "no layer of images": ((3, 8, 8), [FLAT], None),
    "sequences": ((3, 40), [{"name": "conv1d", "filters": 2, "kernel": 1}, FLAT], None),
    "maps of another layer": ((8, 8, 1), [{"name": "reshape", "shape": [4, 4, 4]}, CONV, FLAT], None),
}


@pytest.mark.parametrize(("shape", "layers", "name"), IMAGES.values(), ids=IMAGES)
def test_images_with_their_channels_first_are_told(shape, layers, name, tmp_path):
    np.savez(tmp_path / "x.npz", x=np.ones((4, *shape)), y=np.ones(4))
    tables = {
        "data": {"name": "npz", "path": str(tmp_path / "x.npz")},
        "network": [*layers, {"name": "dense", "units": 1}],
        "loss": "mse",
        "optimizer": "sgd",
        "train": {"epochs": 1},
    }
    job = build_job(load(tables), SerialCommunicator())
    Replica(job.network, SerialCommunicator(), 8, 0).initialize()
    expected = [] if name is None else [FIRST.format(*shape, name=name, shape=shape)]
    assert warnings_of(job.network) == expected


def _install_sum(monkeypatch):
    from dtrain import Layer, hookimpl
    from dtrain.registry import Registry

    class Sum(Layer):
        def build(self, shape, make):
            return shape[0]

        def forward(self, x, context):
            return x[0] + x[1], lambda dy: (dy, dy)

    class Plugin:
        @hookimpl
        def dtrain_layers(self):
            return {"sum_of_acme": Sum}

    load_as_usual = Registry.load
    monkeypatch.setattr(
        Registry,
        "load",
        lambda prefer, block, **more: load_as_usual(prefer, block, [("acme", Plugin())], **more),
    )
