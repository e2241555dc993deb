"""The same training by dtrain's own command, as a user starts it.

    python tests/benchmarks/dtrain_steps.py small --ranks 2 --shards ranks

A config and the data in a temporary folder, `dtrain train` there, the figures from the run's `summary.json`.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import nets
import numpy as np
from processes import HERE, environment, mpirun, together


def config(net: nets.Net, data: Path, shards: int | str) -> str:
    """The run's config file."""
    images = f'[[network]]\nname = "reshape"\nshape = [{net.side}, {net.side}, 1]\n'
    convolutions = [
        f'[[network]]\nname = "conv2d"\nfilters = {filters}\nkernel = 5\nbias = false\n\n'
        '[[network]]\nname = "batch_norm"\n\n[[network]]\nname = "relu"\n\n[[network]]\nname = "max_pool2d"\n'
        for filters in net.convolutions
    ]
    if convolutions:
        convolutions = [images, *convolutions, '[[network]]\nname = "flatten"\n']
    layers = [
        f'[[network]]\nname = "dense"\nunits = {units}\nbias = false\n\n'
        '[[network]]\nname = "batch_norm"\n\n[[network]]\nname = "relu"\n'
        for units in net.hidden
    ]
    return "\n".join([
        f'[data]\nname = "npz"\npath = {json.dumps(str(data))}\nvalidation = 0\n',
        *convolutions,
        *layers,
        f'[[network]]\nname = "dense"\nunits = {net.classes}\n',
        '[loss]\nname = "softmax_cross_entropy"\n',
        f'[optimizer]\nname = "adam"\nlr = {nets.LEARNING_RATE}\n',
        f"[train]\nepochs = {net.epochs}\nbatch_size = {net.batch}\nshards = {json.dumps(shards)}",
        'metrics = ["accuracy"]\ndtype = "float32"\n',
        "[checkpoint]\nminutes = 1000\n",
    ])  # fmt: skip


def run(
    python: str, net: nets.Net, ranks: int, shards: int | str,
    launch: Sequence[str] = (), environ: Mapping[str, str] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """The median time of a step, the last epoch's loss and accuracy, the peak memory of a rank.

    `python` is the interpreter that has dtrain. launch: more arguments of mpirun. environ: more variables.
    step_seconds: from cutting the batch to the updated weights; whole_step_seconds: from one step to the next.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        x, target = nets.data(net)
        np.savez(folder / "data.npz", x=x, y=target)
        (folder / "config.toml").write_text(config(net, folder / "data.npz", shards))
        rank = [str(HERE / "dtrain_rank.py"), str(folder)]
        train = ["train", str(folder / "config.toml"), "--out", str(folder / "run")]
        command = [*mpirun(python, ranks, launch), *rank, *train]
        together([(command, environment(1, **(environ or {})))])
        summary = json.loads((folder / "run" / "summary.json").read_text())
        noted = [json.loads(file.read_text()) for file in sorted(folder.glob("rank-*.json"))]
    if summary["ranks"] != ranks:
        raise RuntimeError(f"dtrain must have run on {ranks} ranks, got {summary['ranks']}")
    return {
        "version": "dtrain",
        "step_seconds": summary["step_seconds"],
        "shards": summary["shards"],
        **summary["train"],
        "whole_step_seconds": max(rank["whole_step_seconds"] for rank in noted),
        "peak_mib": max(rank["peak_mib"] for rank in noted),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("net", choices=nets.NETS)
    parser.add_argument("--ranks", type=int, default=nets.RANKS)
    parser.add_argument("--shards", default="ranks", help='"ranks" (default), "auto" or a number')
    arguments = parser.parse_args()
    shards = int(arguments.shards) if arguments.shards.isdigit() else arguments.shards
    print(json.dumps(run(sys.executable, nets.NETS[arguments.net], arguments.ranks, shards)))


if __name__ == "__main__":
    main()
