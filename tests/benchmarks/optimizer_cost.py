"""What Adam's update costs: against one addition of two arrays as long, and against PyTorch's fused Adam.

    python tests/benchmarks/optimizer_cost.py

`Update` as a run has it, on one rank, with all parameters in one weight matrix of float32; everything in one thread.
The three take turns in this process; a time is what this thread computed, and every ratio is the median over the rounds
of two times that follow each other.
Where torch is not installed, its column is left out.
"""

from __future__ import annotations

import os
import sys
from statistics import median
from time import thread_time

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from dtrain.communicator import SerialCommunicator
from dtrain.engine import Network, Replica
from dtrain.trainer.update import Update
from dtrain_plugins.initializers.glorot_uniform import GlorotUniform
from dtrain_plugins.layers.dense import Dense
from dtrain_plugins.optimizers.adam import Adam

SIZES = {"4 million": (2000, 2000, 60), "100 thousand": (250, 400, 1000)}
"""Rows and columns of the matrix; rounds."""


def addition(gradient):
    """Returns what is timed, and nothing to prepare: c = a + b."""
    a, b, c = (gradient.copy() for _ in range(3))
    return lambda: np.add(a, b, out=c), lambda: None


def ours(gradient, rows, columns):
    """Returns one update by dtrain, and what refills the gradient, which an update overwrites."""
    layer = Dense(columns, GlorotUniform(), bias=False)
    network = Network([("dense", layer)], (rows,), np.float32, lambda _: GlorotUniform())
    replica = Replica(network, SerialCommunicator(), 1, 0)
    replica.initialize()
    update, given, done = Update(replica, Adam()), np.zeros(replica.layout.size, np.float32), 0

    def step():
        nonlocal done
        done += 1
        update.apply(given, done)

    return step, lambda: np.copyto(given[: gradient.size], gradient)


def theirs(gradient):
    """Returns one update by PyTorch, and what refills the gradient; None where there is no torch."""
    try:
        import torch
    except ImportError:
        return None
    torch.set_num_threads(1)
    weight = torch.nn.Parameter(torch.zeros(gradient.size))
    weight.grad, given = torch.zeros(gradient.size), torch.from_numpy(gradient)
    return torch.optim.Adam([weight], fused=True).step, lambda: weight.grad.copy_(given)


def seconds(systems, rounds):
    """Returns each system's times, a tenth of the rounds left out to warm up."""
    times = {name: [] for name in systems}
    for turn in range(rounds + rounds // 10):
        for name, (step, prepare) in systems.items():
            prepare()
            began = thread_time()
            step()
            if turn >= rounds // 10:
                times[name].append(thread_time() - began)
    return times


def main() -> None:
    """Prints nanoseconds a parameter, and ratios, for both sizes."""
    for size, (rows, columns, rounds) in SIZES.items():
        gradient = np.random.default_rng(0).standard_normal(rows * columns).astype(np.float32)
        systems = {"addition": addition(gradient), "dtrain": ours(gradient, rows, columns)}
        fused = theirs(gradient)
        if fused is not None:
            systems["torch"] = fused
        times = seconds(systems, rounds)
        each = ", ".join(f"{name} {1e9 * median(t) / gradient.size:.3f}" for name, t in times.items())
        print(f"{size} parameters, ns a parameter: {each}")
        for other in [name for name in times if name != "dtrain"]:
            ratio = median(a / b for a, b in zip(times["dtrain"], times[other], strict=True))
            print(f"    dtrain / {other}: {ratio:.2f}")


if __name__ == "__main__":
    sys.exit(main())
