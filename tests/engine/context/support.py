"""What the tests of the context's doors share: rows, dtypes, a context of one rank."""

from __future__ import annotations

import numpy as np

from dtrain.communicator import SerialCommunicator
from dtrain.engine import Context, Layout
from dtrain.engine.totals import Totals
from dtrain.random import SampleStreams

ROWS = [0, 1, 5, 8, 10, 11, 61, 64]
MANY = [2, 3, 5, 8]
FLOATS = ["float32", "float64", "complex64", "complex128"]
TOLERANCE = {"float32": 2e-6, "complex64": 2e-6, "float64": 1e-14, "complex128": 1e-14}


def data(rows, *shape, dtype="float32", seed=0):
    """Numbers of one size, each exact in float32."""
    random = np.random.default_rng(seed)
    x = random.standard_normal((rows, *shape))
    if np.dtype(dtype).kind == "c":
        x = x + 1j * random.standard_normal((rows, *shape))
    return x.astype(dtype)


def alone(rows, shards=8, **options):
    """A context of one rank."""
    context = Context(Totals(shards, [(0, shards)], SerialCommunicator()), SampleStreams(0))
    begin = {"training": True, "step": 0, "epoch": 0, "place": 0, **options}
    context.begin(Layout(rows, shards, 0, shards), **begin)
    context.layer = "layer"
    return context
