"""What it costs that a prediction depends on its row alone: blocks of one shape against whole batches in shards.

    python tests/benchmarks/predict_cost.py
    OPENBLAS_CORETYPE=Haswell python tests/benchmarks/predict_cost.py --rounds 11 --nets small,huge

The nets of the speed table with batch norm in between, freshly initialized, one thread. Both ways take turns in this
one process; ratios of medians and of the best over the rounds.
"""

from __future__ import annotations

import argparse
import os
import sys
from statistics import median
from time import perf_counter
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from printing import progress, table

from dtrain.communicator import SerialCommunicator
from dtrain.config import load
from dtrain.contracts import ArrayRows
from dtrain.data import Batches
from dtrain.engine import Replica, block_rows
from dtrain.registry import Registry
from dtrain.trainer.job import build_network
from dtrain.trainer.predict import predict

NETS = {
    "small": (64, (128, 128), 64),
    "middle": (784, (256,), 128),
    "large": (784, (512, 512), 256),
    "huge": (784, (2048, 2048), 512),
}
"""Inputs, hidden units, batch size."""

SHARDS, AT_MOST = 8, 1.1


class Plain:
    """A loss that shows outputs as they are."""

    def predict(self, y: Any) -> Any:
        return y


def replica_of(inputs: int, hidden: tuple[int, ...], batch: int) -> Replica:
    layers: list[dict[str, Any]] = []
    for units in hidden:
        layers += [{"name": "dense", "units": units}, {"name": "batch_norm"}, {"name": "relu"}]
    config = load({
        "data": {"name": "digits"}, "network": [*layers, {"name": "dense", "units": 10}], "loss": "mse",
        "optimizer": {"name": "sgd", "lr": 0.1}, "train": {"epochs": 1, "batch_size": batch},
    })  # fmt: skip
    replica = Replica(build_network(config, Registry.load(), (inputs,)), SerialCommunicator(), SHARDS, 0)
    replica.initialize()
    return replica


def in_batches(replica: Replica, x: Any, batch: int) -> Any:
    """As rows are taken in training: their bits depend on the others."""
    batches = Batches(ArrayRows(x), batch, SHARDS, 0, SHARDS, x.dtype)
    parts = []
    for index in range(batches.count):
        (one,) = batches.cut(index)
        replica.context.begin(one.layout, training=False, step=0, epoch=0, place=one.place)
        parts.append(replica.network.forward(one.x, replica.context)[0].copy())
    return np.concatenate(parts)


def in_blocks(replica: Replica, x: Any, batch: int) -> Any:
    return predict(replica, Plain(), x, block_rows(replica.network, batch))  # type: ignore[arg-type]


WAYS = {"batches": in_batches, "blocks": in_blocks}


def measure(name: str, rows: int, rounds: int) -> dict[str, list[float]]:
    """Way → seconds, one a round; the first round, in which arrays and trials are made, does not count."""
    inputs, hidden, batch = NETS[name]
    replica = replica_of(inputs, hidden, batch)
    x = np.random.default_rng(0).standard_normal((rows, inputs), dtype=np.float32)
    np.testing.assert_allclose(
        in_blocks(replica, x, batch), in_batches(replica, x, batch), rtol=1e-3, atol=1e-4
    )
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    for done in range(rounds):
        progress(f"{name}, {rows} rows: round {done + 1} of {rounds}")
        for way, run in WAYS.items():
            start = perf_counter()
            run(replica, x, batch)
            seconds[way].append(perf_counter() - start)
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--nets", default=",".join(NETS), help="comma-separated (default: %(default)s)")
    arguments = parser.parse_args()
    names = arguments.nets.split(",")
    if unknown := set(names) - set(NETS):
        parser.error(f"--nets must be of {', '.join(NETS)}, got {', '.join(sorted(unknown))}")
    busy = os.getloadavg()[0]
    lines = []
    for name in names:
        many, one = measure(name, arguments.rows, arguments.rounds), measure(name, 1, 7 * arguments.rounds)
        ratio = {
            way: of(many["blocks"]) / of(many["batches"]) for way, of in (("median", median), ("best", min))
        }
        lines.append([
            name,
            *(f"{1000 * median(many[way]):.1f}" for way in WAYS),
            f"{ratio['median']:.2f}",
            f"{ratio['best']:.2f}",
            *(f"{1000 * median(one[way]):.2f}" for way in WAYS),
        ])  # fmt: skip
    progress("")
    head = ["net", f"{arguments.rows:,} rows in batches (ms)", "in blocks", f"ratio (at most {AT_MOST})", "of the best",
            "1 row in batches (ms)", "in blocks"]  # fmt: skip
    print(f"{table(head, lines)}\n\nload average before the first round {busy:.1f}", file=sys.stdout)


if __name__ == "__main__":
    main()
