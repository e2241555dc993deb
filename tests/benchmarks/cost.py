"""What dtrain's guarantees cost: recovery, the default shards, the shared mapping; each against a run without it.

    python tests/benchmarks/cost.py
    python tests/benchmarks/cost.py --nets small,huge --rounds 9 --json cost.json

All on two ranks of one thread, one job at a time, in turn: a b c d, a b c d, …; ratios of medians over the rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import dtrain_steps
import nets
from printing import progress, table
from speed import ms


@dataclass(frozen=True)
class Way:
    """How a run is started."""

    shards: str = "auto"
    recovers: bool = False
    shares: bool = True

    def seconds(self, python: str, net: nets.Net) -> float:
        """A whole step's: from the start of one to the start of the next, the median of those of rank 0."""
        return dtrain_steps.run(
            python,
            net,
            nets.RANKS,
            self.shards,
            launch=("--with-ft", "ulfm") if self.recovers else (),
            environ={} if self.shares else {"DTRAIN_SHARED_MEMORY": "0"},
        )["whole_step_seconds"]


WAYS = {
    "default": Way(),
    "recovery": Way(recovers=True),
    'shards = "ranks"': Way(shards="ranks"),
    "private memory": Way(shares=False),
}
RATIOS = {
    "recovery / default": ("recovery", "default", dict.fromkeys(nets.DENSE, 1.05)),
    'default / shards = "ranks"': (
        "default",
        'shards = "ranks"',
        {"small": 1.5, "middle": 1.5, "large": 1.2, "huge": 1.2},
    ),
    "default / private memory": ("default", "private memory", dict.fromkeys(nets.DENSE, 1.0)),
}
"""Title → (over, under, at most, by net)."""


def measure(names: list[str], rounds: int, python: str) -> dict[str, dict[str, list[float]]]:
    """Net → way → seconds of a step, one a round."""
    found: dict[str, dict[str, list[float]]] = {net: {way: [] for way in WAYS} for net in names}
    for net in names:
        for done in range(rounds):
            for name, way in WAYS.items():
                progress(f"{net}: round {done + 1} of {rounds}, {name}")
                found[net][name].append(way.seconds(python, nets.NETS[net]))
    progress("")
    return found


def report(found: dict[str, dict[str, list[float]]]) -> str:
    """Milliseconds a step and the ratios."""
    times = {net: {way: median(seconds) for way, seconds in ways.items()} for net, ways in found.items()}
    return "\n\n".join([
        table(["ms a step", *times], [[way, *(ms(of[way]) for of in times.values())] for way in WAYS]),
        table(
            ["ratio (at most)", *times],
            [
                [title, *(f"{of[over] / of[under]:.2f} ({most[net]})" for net, of in times.items())]
                for title, (over, under, most) in RATIOS.items()
            ],
        ),
    ])  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--nets", default=",".join(nets.DENSE), help="comma-separated (default: %(default)s)")
    parser.add_argument("--python", default=sys.executable, help="that has dtrain (default: this one)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every round's seconds there")
    arguments = parser.parse_args()
    names = arguments.nets.split(",")
    if unknown := set(names) - set(nets.DENSE):
        parser.error(f"--nets must be of {', '.join(nets.DENSE)}, got {', '.join(sorted(unknown))}")
    busy = os.getloadavg()[0]
    found = measure(names, arguments.rounds, arguments.python)
    print(f"{report(found)}\n\nload average before the first round {busy:.1f}")
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
