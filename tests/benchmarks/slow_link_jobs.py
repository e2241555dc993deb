"""One training of the slow-link benchmark: a net and a way for ranks to meet, on hosts that are network namespaces."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

import tomli_w

from tests.benchmarks.processes import environment
from tests.namespaces import Hosts


@dataclass(frozen=True)
class Way:
    """hosts: how many, a rank each. exchange: of `[train]`; None: the default. lr: of the optimizer.

    every: steps between two looks at the held-out accuracy; None: the net's.
    """

    hosts: int
    lr: float
    exchange: Mapping[str, Any] | None = None
    every: int | None = None


@dataclass(frozen=True)
class Net:
    """layers: of `[[network]]`. batch: global. every, first: steps between two looks at the held-out
    accuracy, and before the first."""

    title: str
    layers: tuple[Mapping[str, Any], ...]
    batch: int
    every: int
    first: int = 0
    ways: Mapping[str, Way] = field(default_factory=dict)
    optimizer: str = "adam"


def config(net: Net, way: Way, data: Mapping[str, Any], seed: int, accuracy: float, epochs: int) -> str:
    """Returns the run's config file. data: `[data]`."""
    train: dict[str, Any] = {
        "epochs": epochs,
        "batch_size": net.batch,
        "shards": "ranks",
        "metrics": ["accuracy"],
    }
    if way.exchange is not None:
        train["exchange"] = dict(way.exchange)
    return tomli_w.dumps({
        "seed": seed,
        "data": dict(data),
        "network": [dict(layer) for layer in net.layers],
        "loss": {"name": "softmax_cross_entropy"},
        "optimizer": {"name": net.optimizer, "lr": way.lr},
        "train": train,
        "checkpoint": {"minutes": 1000, "best": False},
        "callback": [{"name": "reach", "accuracy": accuracy, "every": way.every or net.every, "first": net.first}],
    })  # fmt: skip


def run(hosts: Hosts, way: Way, text: str) -> dict[str, Any]:
    """Trains the config `text` on the first `way.hosts` of these hosts; returns what `reach` and the run have noted.

    command_seconds: of the whole command, from starting the ranks to the last one's end.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "config.toml").write_text(text)
        where = ["--hosts", ",".join(hosts.names[: way.hosts])] if way.hosts > 1 else ["-n", "1"]
        command = hosts.launch(*where, "--", "train", "config.toml", "--out", "run")
        began = perf_counter()
        started = hosts.start(hosts.names[0], command, folder, environment(1))
        try:
            output, _ = started.communicate()
        finally:
            started.kill()
        seconds = perf_counter() - began
        if started.returncode:
            raise RuntimeError(f"{' '.join(command)} ended with {started.returncode}\n{output[-3000:]}")
        noted = json.loads((folder / "run/reach.json").read_text())
        summary = json.loads((folder / "run/summary.json").read_text())
    if summary["ranks"] != way.hosts:
        raise RuntimeError(f"dtrain must have run on {way.hosts} ranks, got {summary['ranks']}")
    return {
        **noted,
        "command_seconds": seconds,
        "parameters": summary["parameters"],
        "step_seconds": summary["step_seconds"],
        "weights_sha256": summary["weights_sha256"],
    }
