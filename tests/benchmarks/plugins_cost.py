"""What the plugin system costs: nothing in a step, and a fraction of a second for `dtrain plugins list`.

    python tests/benchmarks/plugins_cost.py

A net of 20 layers, its loss and its optimizer are made twice, through the registry from names and options, and by hand
from their classes; both train in this process, step by step in turn. The net is tiny, so that a step is all overhead.
"""

from __future__ import annotations

import os
import subprocess
import sys
from statistics import median
from time import perf_counter

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from dtrain.communicator import SerialCommunicator
from dtrain.contracts import ArrayRows
from dtrain.data import Batches
from dtrain.engine import Network, Replica
from dtrain.registry import Registry
from dtrain.trainer.figures import Figures
from dtrain.trainer.step import Step
from dtrain.trainer.update import Update
from dtrain_plugins.activations.relu import Relu
from dtrain_plugins.initializers.glorot_uniform import GlorotUniform
from dtrain_plugins.initializers.zeros import Zeros
from dtrain_plugins.layers.dense import Dense
from dtrain_plugins.losses.softmax_cross_entropy import SoftmaxCrossEntropy
from dtrain_plugins.optimizers.adam import Adam

PAIRS, WIDTH, ROWS = 10, 8, 16


def through_the_registry():
    """Layers, loss, optimizer and a finder of initializers, as a config asks for them."""
    registry = Registry.load()

    def made(kind, name, **options):
        return registry.bind(kind, name, options, kind).build()

    pairs = [(made("layers", "dense", units=WIDTH), made("layers", "relu")) for _ in range(PAIRS)]
    return (
        [layer for pair in pairs for layer in pair],
        made("losses", "softmax_cross_entropy"),
        made("optimizers", "adam"),
        lambda name: made("initializers", name),
    )


def by_hand():
    """The same objects, from their classes."""
    known = {"glorot_uniform": GlorotUniform, "zeros": Zeros}
    pairs = [(Dense(WIDTH, GlorotUniform()), Relu()) for _ in range(PAIRS)]
    return (
        [layer for pair in pairs for layer in pair],
        SoftmaxCrossEntropy(),
        Adam(),
        lambda name: known[name](),
    )


def stepper(parts):
    """Returns a function that trains one step and returns nothing, and the replica that it trains."""
    layers, loss, optimizer, initializer = parts
    net = Network(
        [(f"layer_{i}", layer) for i, layer in enumerate(layers)], (WIDTH,), np.float32, initializer
    )
    replica = Replica(net, SerialCommunicator(), 1, 0)
    replica.initialize()
    x = np.random.default_rng(0).standard_normal((ROWS, WIDTH)).astype(np.float32)
    data = ArrayRows(x, x.argmax(axis=1))
    batches = Batches(data, ROWS, 1, replica.first, replica.last, net.dtype)
    step, order, done = Step(replica, Figures(loss, {}), Update(replica, optimizer)), batches.order(0, 0), 0

    def train():
        nonlocal done
        step(batches.cut(0, order), 0, done)
        done += 1

    return train, replica


def main(rounds: int = 3000) -> int:
    """Prints both step times and the time of the list; returns 1 when one is beyond what is allowed."""
    (ours, first), (theirs, second) = stepper(through_the_registry()), stepper(by_hand())
    times: list[list[float]] = [[], []]
    for turn in range(rounds):
        for which in (0, 1) if turn % 2 else (1, 0):
            began = perf_counter()
            (ours, theirs)[which]()
            times[which].append(perf_counter() - began)
    registry, hand = (1e6 * median(each[rounds // 10 :]) for each in times)
    print(
        f"20 layers, a step: {registry:.1f} µs through the registry, {hand:.1f} µs by hand: {registry / hand:.3f}"
    )
    print(f"the same weights: {first.digest() == second.digest()}")
    listed = min(seconds_of("plugins", "list") for _ in range(10))
    print(f"dtrain plugins list: {listed:.3f} s, of 0.300")
    return int(registry > 1.02 * hand or listed > 0.3 or first.digest() != second.digest())


def seconds_of(*arguments: str) -> float:
    """Returns the wall time of a command of dtrain."""
    began = perf_counter()
    subprocess.run([sys.executable, "-m", "dtrain", *arguments], check=True, stdout=subprocess.DEVNULL)
    return perf_counter() - began


if __name__ == "__main__":
    sys.exit(main())
