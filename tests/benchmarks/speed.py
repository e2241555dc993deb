"""dtrain against PyTorch and against NumPy by hand: medians over interleaved rounds, one process at a time.

python tests/benchmarks/speed.py --torch-python ~/torch/bin/python
python tests/benchmarks/speed.py --nets small,middle --rounds 7 --json speed.json
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import dtrain_steps
import nets
import processes
from printing import progress, table

System = Callable[[str], dict[str, Any]]
Results = dict[str, dict[str, list[dict[str, Any]]]]  # net → system → a result a round


@dataclass(frozen=True)
class Ratio:
    """What is compared with what, and the bound that it must keep."""

    title: str
    over: str
    under: str
    required: Callable[[nets.Net], str]

    def of(self, seconds: dict[str, float]) -> float | None:
        if self.over in seconds and self.under in seconds:
            return seconds[self.over] / seconds[self.under]
        return None


def at_least(ratio: float | None) -> str:
    return "report" if ratio is None else f"≥ {ratio}"


RATIOS = [
    Ratio("DDP / dtrain", "ddp", "dtrain-2", lambda net: at_least(net.ddp_over_dtrain)),
    Ratio("DDP tuned / dtrain", "ddp-tuned", "dtrain-2", lambda net: at_least(net.ddp_over_dtrain)),
    Ratio(
        "one torch process / dtrain", "torch-1x2", "dtrain-2", lambda net: at_least(net.single_over_dtrain)
    ),
    Ratio("dtrain / by hand, 1 rank", "dtrain-1", "by-hand-1", lambda net: "≤ 1.15"),
    Ratio("dtrain / by hand, 2 ranks", "dtrain-2", "by-hand-2", lambda net: "≤ 1.15"),
    Ratio('default shards / "ranks"', "dtrain-auto", "dtrain-2", lambda net: "report"),
]


def dtrain_on(python: str, net: str, ranks: int, shards: str) -> dict[str, Any]:
    return dtrain_steps.run(python, nets.NETS[net], ranks, shards)


def systems(python: str, torch_python: str) -> dict[str, System]:
    """Name → what runs it on a net, in the order of a round; those not installed are named and left out."""
    torch = partial(processes.torch, torch_python)
    groups: list[tuple[bool, str, dict[str, System]]] = [
        (
            processes.imports(torch_python, "torch", "numpy"),
            f"torch and numpy must be installed for {torch_python}: --torch-python",
            {
                "ddp": partial(torch, ranks=2, threads=1),
                "ddp-tuned": lambda net: torch(net, 2, 1, "--tuned"),
                "torch-1x2": partial(torch, ranks=1, threads=2),
            },
        ),
        (
            processes.imports(python, "mpi4py", "numpy"),
            f"mpi4py and numpy must be installed for {python}: --python",
            {f"by-hand-{ranks}": partial(processes.by_hand, python, ranks=ranks) for ranks in (1, 2)},
        ),
        (
            processes.imports(python, "dtrain", "dtrain_plugins", "mpi4py"),
            f"dtrain must be installed for {python}: --python",
            {
                "dtrain-1": partial(dtrain_on, python, ranks=1, shards="ranks"),
                "dtrain-2": partial(dtrain_on, python, ranks=2, shards="ranks"),
                "dtrain-auto": partial(dtrain_on, python, ranks=2, shards="auto"),
            },
        ),
    ]
    chosen: dict[str, System] = {}
    for available, needed, group in groups:
        if available:
            chosen |= group
        else:
            print(f"skipped: {', '.join(group)} ({needed})", file=sys.stderr)
    return chosen


def measure(names: list[str], chosen: dict[str, System], rounds: int) -> Results:
    """A B C, A B C, …: what slows the machine down slows them all. What fails is left out of its net."""
    results: Results = {}
    for net in names:
        dense = net in nets.DENSE  # by hand there is no other
        remaining = {name: system for name, system in chosen.items() if dense or "by-hand" not in name}
        results[net] = {name: [] for name in remaining}
        for done in range(rounds):
            for name, system in list(remaining.items()):
                progress(f"{net}: round {done + 1} of {rounds}, {name}")
                try:
                    results[net][name].append(system(net))
                except Exception as error:
                    progress("")
                    print(f"left out: {name} on {net}: {error}", file=sys.stderr)
                    del remaining[name], results[net][name]
    progress("")
    return results


def medians(results: dict[str, list[dict[str, Any]]], key: str = "step_seconds") -> dict[str, float]:
    """System → median over the rounds of what each process measured inside."""
    return {
        name: median(result[key] for result in rounds)
        for name, rounds in results.items()
        if rounds and rounds[0].get(key) is not None
    }


def report(results: Results) -> str:
    """Milliseconds a step, ratios beside what is required, the loss each reached, and peak memory."""
    found = [nets.NETS[name] for name in results]
    titles = [f"{net}, {net.rows}" for net in found]
    seconds = [medians(of_net) for of_net in results.values()]
    losses = [medians(of_net, "loss") for of_net in results.values()]
    names = list(dict.fromkeys(name for of_net in seconds for name in of_net))
    ratios = [
        [
            ratio.title,
            *(
                f"{value:.2f} ({ratio.required(net)})" if (value := ratio.of(of_net)) else "–"
                for net, of_net in zip(found, seconds, strict=True)
            ),
        ]
        for ratio in RATIOS
    ]
    parts = [
        table(
            ["ms a step", *titles], [[name, *(ms(of_net.get(name)) for of_net in seconds)] for name in names]
        ),
        table(["ratio (required)", *titles], ratios),
        table(
            ["last epoch's loss", *titles],
            [[name, *(loss(of_net.get(name)) for of_net in losses)] for name in names],
        ),
    ]
    peaks = [medians(of_net, "peak_mib").get("dtrain-2") for of_net in results.values()]
    if any(peaks):
        parts.append(
            table(["peak MiB of a rank", *titles], [["dtrain-2", *(f"{p:.0f}" if p else "–" for p in peaks)]])
        )
    versions = {result["version"] for of_net in results.values() for of in of_net.values() for result in of}
    return "\n\n".join([*parts, f"{', '.join(sorted(versions))}; {os.cpu_count()} CPUs"])


def ms(seconds: float | None) -> str:
    return "–" if seconds is None else f"{seconds * 1e3:.3f}"


def loss(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--nets", default=",".join(nets.NETS), help="comma-separated (default: %(default)s)")
    parser.add_argument(
        "--systems", help="comma-separated, of those that a full run's table names (default: all)"
    )
    parser.add_argument(
        "--python", default=sys.executable, help="that has dtrain, mpi4py and MPI (default: this one)"
    )
    parser.add_argument("--torch-python", default=sys.executable, help="that has torch (default: this one)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every round's results there")
    arguments = parser.parse_args()
    names = arguments.nets.split(",")
    if unknown := set(names) - nets.NETS.keys():
        parser.error(f"--nets must be of {', '.join(nets.NETS)}, got {', '.join(sorted(unknown))}")
    chosen = systems(arguments.python, arguments.torch_python)
    if arguments.systems:
        chosen = {name: system for name, system in chosen.items() if name in arguments.systems.split(",")}
    busy = os.getloadavg()[0]
    results = measure(names, chosen, arguments.rounds)
    print(f"{report(results)}; load average before the first round {busy:.1f}")
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
