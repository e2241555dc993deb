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
