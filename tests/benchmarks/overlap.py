"""How much of the exchange the part `overlap` hides: two hosts of one core each on a link of 1 Gbit/s.

    python -m tests.benchmarks.overlap [--rounds 15] [--rate 1gbit] [--bucket 1.0] [--json FILE]

The hosts are network namespaces, so this needs root, `ip`, `tc` and Open MPI. Dense layers of 1000 units, 3.8 MB of
gradient each, on so many rows that forward and backward take about as long as the exchange takes. In both ranks
four copies of the net train step by step in turn: with the exact exchange, with `overlap`, with its buckets after the
backward pass, and with the exact exchange whose messages stay away. Times are medians over the rounds of the slower
rank's step.

hidden = (exact − overlap) / (exact − alone)
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

from dtrain.communicator import open_communicator
from dtrain.contracts import ArrayRows
from dtrain.data import Batches
from dtrain.engine import Network, Replica
from dtrain.trainer.figures import Figures
from dtrain.trainer.step import Step
from dtrain.trainer.update import Update
from dtrain_plugins.exchanges.overlap import Overlap
from dtrain_plugins.initializers.glorot_uniform import GlorotUniform
from dtrain_plugins.layers.dense import Dense
from dtrain_plugins.losses.mse import Mse
from dtrain_plugins.optimizers.sgd import Sgd

UNITS = 1000
ROOT = Path(__file__).parents[2]


class Silent:
    """A communicator whose large messages stay away: what is left is the computing, and the waiting for it."""

    def __init__(self, communicator: Any) -> None:
        self._inner = communicator

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def exchange(self, sends: Any, receives: Any) -> None:
        pass

    def allgather(self, send: Any, receive: Any) -> None:
        if send.size < UNITS:
            self._inner.allgather(send, receive)


class Copy:
    """One net with its step."""

    def __init__(
        self, communicator: Any, options: argparse.Namespace, rows: int, exchange: Any = None
    ) -> None:
        layers = [(f"dense_{k}", Dense(UNITS, bias=False)) for k in range(options.layers)]
        net = Network(layers, (UNITS,), np.float32, lambda name: GlorotUniform())
        self.replica = Replica(net, communicator, options.shards or communicator.size, 0, exchange)
        self.replica.initialize()
        self.step = Step(self.replica, Figures(Mse(), {}), Update(self.replica, Sgd(lr=1e-3)))
        random = np.random.default_rng(0)
        x, t = (random.standard_normal((rows, UNITS)).astype(np.float32) for _ in range(2))
        first, last = self.replica.first, self.replica.last
        batches = Batches(ArrayRows(x, t), rows, self.replica.shards, first, last, np.float32)
        self._batch = batches.whole(0)
        self._done = 0

    def __call__(self) -> float:
        self.replica.communicator.barrier()
        start = perf_counter()
        assert self.step(self._batch, 0, self._done)
        self._done += 1
        return perf_counter() - start


def rank(options: argparse.Namespace) -> None:
    """One rank: measures, and prints rank 0's result."""
    communicator = open_communicator()
    assert not communicator.shares_memory
    rows = options.rows or fitting_rows(communicator, options)
    copies = {
        "exact": Copy(communicator, options, rows),
        "overlap": Copy(communicator, options, rows, Overlap(options.bucket)),
        "after": Copy(communicator, options, rows, Overlap(options.bucket, overlap=False)),
        "alone": Copy(Silent(communicator), options, rows),
    }
    times = measured(communicator, copies, options.rounds)
    same = copies["exact"].replica.digest() == copies["overlap"].replica.digest()
    if communicator.rank == 0:
        print(json.dumps({"rows": rows, "times": times, "same bits": same}))
    communicator.close()


def measured(communicator: Any, copies: dict[str, Copy], rounds: int) -> dict[str, list[float]]:
    """Returns the slower rank's seconds of each step of each copy; two rounds before do not count."""
    times: dict[str, list[float]] = {name: [] for name in copies}
    for turn in range(rounds + 2):
        for name, copy in copies.items():
            slower = max(communicator.share(copy()))
            if turn >= 2:
                times[name].append(slower)
    return times


def fitting_rows(communicator: Any, options: argparse.Namespace) -> int:
    """Returns the rows of a global batch at which computing takes as long as the exchange."""
    rows = 1024
    copies = {"exact": Copy(communicator, options, rows), "alone": Copy(Silent(communicator), options, rows)}
    times = {name: median(some) for name, some in measured(communicator, copies, 5).items()}
    fit = rows * (times["exact"] - times["alone"]) / times["alone"]
    return max(round(fit / 64), 1) * 64


def run(options: argparse.Namespace, words: Sequence[str]) -> dict[str, Any]:
    """Starts the ranks on two hosts; returns what rank 0 printed."""
    from tests.benchmarks.processes import environment
    from tests.namespaces import Hosts

    before = [f"taskset -c {core}" for core in sorted(os.sched_getaffinity(0))[:2]]
    with Hosts(2, options.rate, before) as hosts:
        mpirun = str(Path(sys.executable).with_name("mpirun"))
        where = ",".join(f"{name}:1" for name in hosts.names)
        command = [mpirun, "--bind-to", "none", "--host", where, "-n", "2"]
        command += [sys.executable, "-m", "tests.benchmarks.overlap", "--rank", *words]
        settings = environment(1, PRTE_MCA_plm_ssh_agent=hosts.agent, OMPI_MCA_plm_rsh_agent=hosts.agent)
        process = hosts.start(hosts.names[0], command, ROOT, settings)
        output, _ = process.communicate(timeout=600)
    if process.returncode:
        raise SystemExit(output)
    result: dict[str, Any] = json.loads(next(line for line in output.splitlines() if line.startswith("{")))
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--rate", default="1gbit", help="of each host's way out, as tc writes it")
    parser.add_argument("--bucket", type=float, default=1.0, help="MiB")
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--shards", type=int, default=8, help="0: one a rank")
    parser.add_argument("--rows", type=int, default=0, help="of a global batch; 0: so many that it fits")
    parser.add_argument("--json", type=Path, help="every round's seconds")
    parser.add_argument("--rank", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.rank:
        rank(options)
        return
    result = run(options, sys.argv[1:])
    times = {name: 1e3 * median(seconds) for name, seconds in result["times"].items()}
    for name, milliseconds in times.items():
        print(f"{name:8} {milliseconds:7.1f} ms a step")
    hidden = (times["exact"] - times["overlap"]) / (times["exact"] - times["alone"])
    print(f"hidden   {100 * hidden:7.1f} % of the exchange; {result['rows']} rows a step")
    print(f"same bits with and without: {result['same bits']}; load {os.getloadavg()[0]:.1f}")
    if options.json:
        options.json.write_text(json.dumps(result))


if __name__ == "__main__":
    main()
