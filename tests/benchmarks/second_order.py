"""Second-order optimizers against the best of ten rates of gradient descent: updates, work and time to one loss.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python tests/benchmarks/second_order.py [--updates 1000]

Two tasks, full batch, float64, one rank and eight shards: a linear model on inputs whose covariance has condition
1e6, and an autoencoder of 64-16-64 units on scikit-learn's digits. Gradient descent runs for N updates at each
of ten rates; the least loss of the best is what the others have to reach. Work is in gradients, by the matrix
products in an evaluation (a loss is 1/3, a product 4); seconds are this machine's, and the only figure that
depends on it.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
from sklearn.datasets import load_digits

import dtrain_plugins.initializers as initializers
from dtrain.communicator import SerialCommunicator
from dtrain.contracts import ArrayRows, Solver
from dtrain.data import Batches
from dtrain.engine import Network, Replica
from dtrain.trainer.figures import Figures
from dtrain.trainer.solving import make_step
from dtrain.trainer.update import Update
from dtrain_plugins.activations.sigmoid import Sigmoid
from dtrain_plugins.activations.tanh import Tanh
from dtrain_plugins.layers.dense import Dense
from dtrain_plugins.losses.mse import Mse
from dtrain_plugins.optimizers.lbfgs import Lbfgs
from dtrain_plugins.optimizers.newton import Newton
from dtrain_plugins.optimizers.newton_cg import NewtonCg
from dtrain_plugins.optimizers.sgd import Sgd

SHARDS = 8


class Task(NamedTuple):
    """layers: fresh ones. rates: ten of gradient descent, the best one within."""

    name: str
    layers: Callable[[], list[Any]]
    x: Any
    t: Any
    rates: list[float]
    solvers: list[tuple[str, Callable[[], Any]]]


def linear() -> Task:
    random = np.random.Generator(np.random.Philox(3))
    x = random.standard_normal((400, 50)) @ np.diag(np.logspace(-3, 0, 50))
    t = x @ random.standard_normal((50, 1)) * np.sqrt(1000) + 0.01 * random.standard_normal((400, 1))
    solvers = [
        ("newton", Newton),
        ("newton_cg", lambda: NewtonCg(damping=1e-6)),
        ("lbfgs", Lbfgs),
    ]
    return Task("linear, condition 1e6", lambda: [Dense(1)], x, t, [0.02 * 2**k for k in range(10)], solvers)


def autoencoder() -> Task:
    x = load_digits().data / 16
    solvers = [
        ("newton_cg", NewtonCg),
        ("newton_cg, 30 products", lambda: NewtonCg(cg_iterations=30)),
        ('newton_cg, "hessian"', lambda: NewtonCg(curvature="hessian")),
        ("lbfgs", Lbfgs),
    ]
    layers = lambda: [Dense(16, activation=Tanh()), Dense(64, activation=Sigmoid())]  # noqa: E731
    return Task("autoencoder 64-16-64", layers, x, x, [0.4 * 2**k for k in range(10)], solvers)


def descend(task: Task, optimizer: Any, updates: int, target: float) -> tuple[list[float], float, float]:
    """Returns the loss before each update, and gradients and seconds until it is at most the target."""
    layers = [(f"layer_{i}", layer) for i, layer in enumerate(task.layers())]
    network = Network(
        layers, task.x.shape[1:], "float64", lambda name: initializers.dtrain_initializers()[name]()
    )
    replica = Replica(network, SerialCommunicator(), SHARDS, 0)
    replica.initialize()
    step = make_step(replica, Figures(Mse(), {}), Update(replica, optimizer))
    batches = Batches(ArrayRows(task.x, task.t), len(task.x), SHARDS, 0, SHARDS, "float64")
    losses: list[float] = []
    seconds = work = 0.0
    for update in range(updates + 1):
        began = perf_counter()
        step(batches.whole(0), 0, update)
        loss = float(step.sums[0] / step.sums[1])
        losses.append(loss)
        if not loss > target or not np.isfinite(loss):
            break
        seconds += perf_counter() - began
        work = step.seen.work if isinstance(optimizer, Solver) else work + 1  # type: ignore[attr-defined]
    return losses, work, seconds


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--updates", type=int, default=1000, help="N, of gradient descent (default 1000)")
    n = parser.parse_args().updates
    for task in (linear(), autoencoder()):
        with np.errstate(all="ignore"):
            runs = [(rate, descend(task, Sgd(lr=rate), n, 0.0)) for rate in task.rates]
        rate, (losses, work, seconds) = min(runs, key=lambda run: np.nanmin(run[1][0]))
        target = float(np.nanmin(losses))
        print(
            f"\n{task.name}: sgd, best of {len(runs)} rates, reaches {target:.6g} in {n:,} updates (lr {rate:g})"
        )
        print(f"{'':26}{'updates':>9}{'fewer by':>10}{'gradients':>11}{'seconds':>9}")
        print(f"{'sgd':26}{n:9,}{'':10}{work:11,.0f}{seconds:9.2f}")
        for name, make in task.solvers:
            losses, work, seconds = descend(task, make(), n, target)
            reached = losses[-1] <= target
            updates = (
                f"{len(losses) - 1:9,}{n / max(1, len(losses) - 1):9.1f}×" if reached else f"{'never':>19}"
            )
            print(f"{name:26}{updates}{work:11,.0f}{seconds:9.2f}", flush=True)


if __name__ == "__main__":
    main()
