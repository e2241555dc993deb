"""Two hosts of one core each on a slow link against one such host: seconds until held-out images are 97.5 % right.

    python -m tests.benchmarks.slow_link --data FOLDER
    python -m tests.benchmarks.slow_link --data FOLDER --nets lenet --rounds 5 --json slow_link.json

FOLDER holds the four files of MNIST. Needs root, for hosts made of network namespaces, and two cores.
All ways of a net in turn, then all again with the next seed; ratios of medians over the rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from tests.benchmarks import reach
from tests.benchmarks.printing import progress, table
from tests.benchmarks.slow_link_jobs import config, run
from tests.benchmarks.slow_link_nets import NETS
from tests.namespaces import Hosts, why_not

ONE = "one host"
AT_MOST = 0.65  # of one host's seconds, the best way on two

Results = dict[str, dict[str, list[dict[str, Any]]]]  # net → way → a result a round


def measure(arguments: argparse.Namespace, hosts: Hosts) -> Results:
    """A B C, A B C, …: what slows the machine down slows them all; a round has a seed of its own."""
    data = {"name": "idx", "path": str(arguments.data.absolute())}
    results: Results = {name: {way: [] for way in chosen(arguments, name)} for name in arguments.nets}
    for name, ways in results.items():
        net = NETS[name]
        for seed in range(arguments.first_seed, arguments.first_seed + arguments.rounds):
            for way in ways:
                progress(f"{name}: {way}, seed {seed} of {arguments.rounds} from {arguments.first_seed}")
                text = config(net, net.ways[way], data, seed, arguments.accuracy, arguments.epochs)
                ways[way].append(run(hosts, net.ways[way], text))
    progress("")
    return results


def chosen(arguments: argparse.Namespace, net: str) -> list[str]:
    """Returns the ways of a net that are asked for; one host is always among them."""
    ways = NETS[net].ways
    return [way for way in ways if way == ONE or not arguments.ways or way in arguments.ways]


def of(results: list[dict[str, Any]], key: str) -> float:
    """The median over the rounds."""
    return median(result[key] for result in results)


def report(results: Results, accuracy: float) -> str:
    """A table a net: what each way took, and how many times one host's seconds."""
    parts = []
    for name, ways in results.items():
        net = NETS[name]
        alone = of(ways[ONE], "seconds")
        rows = []
        for way, found in ways.items():
            missed = sum(not result["reached"] for result in found)
            seconds = [result["seconds"] for result in found]
            rows.append([
                f"`{way}`" + (f" ({missed} of {len(found)} did not get there)" if missed else ""),
                f"{of(found, 'epochs'):.2f}",
                f"{1000 * of(found, 'step_seconds'):.1f}",
                f"{of(found, 'steps') / of(found, 'seconds'):.1f}",
                f"{of(found, 'bytes_a_step') / 1000:,.1f}",
                f"{of(found, 'seconds'):.1f} ({min(seconds):.1f}–{max(seconds):.1f})",
                f"{of(found, 'command_seconds'):.1f}",
                f"**{of(found, 'seconds') / alone:.2f}**",
            ])  # fmt: skip
        size = ways[ONE][0]["parameters"]
        head = [
            f"{net.title}, {size:,} parameters", "epochs", "ms a step", "steps/s", "kB sent a step",
            f"seconds to {accuracy:.1%}", "with start and end", "× one host",
        ]  # fmt: skip
        parts.append(table(head, rows))
    return "\n\n".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="a folder with the four files of MNIST")
    parser.add_argument("--rounds", type=int, default=3, help="each with a seed of its own")
    parser.add_argument("--first-seed", type=int, default=0, help="0, 1 and 2 were used to find the options")
    parser.add_argument("--nets", default=",".join(NETS), help="comma-separated (default: %(default)s)")
    parser.add_argument("--ways", default="", help="comma-separated; one host is always run (default: all)")
    parser.add_argument("--rate", default="100mbit", help="of each host's way out (default: %(default)s)")
    parser.add_argument("--accuracy", type=float, default=0.975, help="to be reached (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=12, help="at most (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every round's figures there")
    arguments = parser.parse_args()
    arguments.nets = arguments.nets.split(",")
    arguments.ways = [way for way in arguments.ways.split(",") if way]
    if unknown := set(arguments.nets) - set(NETS):
        parser.error(f"--nets must be of {', '.join(NETS)}, got {', '.join(sorted(unknown))}")
    if reason := why_not():
        sys.exit(reason)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # hosts go with what has made them
    busy = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as site:
        reach.install(Path(site))
        sys.path.append(site)
        with Hosts(2, rate=arguments.rate, before=("taskset -c 0", "taskset -c 1")) as hosts:
            results = measure(arguments, hosts)
    print(f"{report(results, arguments.accuracy)}\n\nload average before the first round {busy:.1f}")
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
