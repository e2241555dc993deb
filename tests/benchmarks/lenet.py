"""Where a step of the net `lenet` goes, layer by layer: on one rank with one shard, so nothing is waited for.

    python tests/benchmarks/lenet.py

Its comparison with PyTorch is `speed.py --nets lenet`.
"""

from __future__ import annotations

import os
from collections import defaultdict
from statistics import median
from time import perf_counter

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import nets
import numpy as np

from dtrain.communicator import SerialCommunicator
from dtrain.contracts import ArrayRows
from dtrain.data import Batches
from dtrain.engine import Network, Replica
from dtrain.registry import Registry
from dtrain.trainer.figures import Figures
from dtrain.trainer.step import Step
from dtrain.trainer.update import Update

NET = nets.NETS["lenet"]


def layers(registry):
    """(id, layer) of the net, as its config has them."""
    table = [("reshape", "reshape", {"shape": [NET.side, NET.side, 1]})]
    for i, filters in enumerate(NET.convolutions, start=1):
        table += [
            (f"conv2d {i}", "conv2d", {"filters": filters, "kernel": 5, "bias": False}),
            (f"batch_norm {i}", "batch_norm", {}),
            (f"relu {i}", "relu", {}),
            (f"max_pool2d {i}", "max_pool2d", {}),
        ]
    table += [("flatten", "flatten", {}), ("dense", "dense", {"units": NET.classes})]
    return [(key, registry.bind("layers" if name != "relu" else "activations", name, options, key).build())
            for key, name, options in table]  # fmt: skip


def timed(key, layer, seconds):
    """The layer, which notes how long its forward and its backward took."""
    forward = layer.forward

    def measured(x, context):
        began = perf_counter()
        y, backward = forward(x, context)
        seconds[key, "forward"].append(perf_counter() - began)

        def back(dy):
            began = perf_counter()
            dx = backward(dy)
            seconds[key, "backward"].append(perf_counter() - began)
            return dx

        return y, back

    layer.forward = measured
    return layer


def main(steps: int = 100) -> None:
    """Prints the medians in milliseconds."""
    registry, seconds = Registry.load(), defaultdict(list)
    parts = [(key, timed(key, layer, seconds)) for key, layer in layers(registry)]
    net = Network(
        [(key.replace(" ", "_"), layer) for key, layer in parts],
        (NET.inputs,),
        np.float32,
        lambda name: registry.bind("initializers", name, {}, name).build(),
    )
    replica = Replica(net, SerialCommunicator(), 1, 0)
    replica.initialize()
    batches = Batches(ArrayRows(*nets.data(NET)), NET.rows, 1, replica.first, replica.last, net.dtype)
    loss = registry.bind("losses", "softmax_cross_entropy", {}, "loss").build()
    adam = registry.bind("optimizers", "adam", {}, "optimizer").build()
    step, order, whole = Step(replica, Figures(loss, {}), Update(replica, adam)), batches.order(0, 0), []
    for done in range(steps):
        began = perf_counter()
        step(batches.cut(done % (NET.batches * nets.RANKS), order), 0, done)
        whole.append(perf_counter() - began)
    print(f"{NET.rows} rows, one rank, ms: {1e3 * median(whole):.2f} a step")
    for key, _ in parts:
        forward, backward = (1e3 * median(seconds[key, way] or [0]) for way in ("forward", "backward"))
        print(f"{key:14}{forward:8.2f} forward{backward:8.2f} backward")


if __name__ == "__main__":
    main()
