"""How far `dtrain plan` is from what real runs measure: on one host, and between hosts with a slow link.

    python tests/benchmarks/plan_check.py
    python tests/benchmarks/plan_check.py --nets small --settings "1 rank;2 ranks" --rounds 5 --json plan.json

For each net and each setting a plan and a run in turn: plan run, plan run, …; medians over the rounds, of what the
plan says and of `step_seconds` in the run's summary.json. The hosts are network namespaces of this machine, one rank on
each, with a rate that tc holds them to; they need root, and are left out without. Planned and real peak memory beside.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import sleep

import dtrain_steps
import nets
import numpy as np
from speed import progress, table

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT))
from tests.namespaces import Hosts, why_not  # noqa: E402

WITHIN = 0.15
"""The planned time may be off by this part of the measured."""

Start = Callable[..., subprocess.Popen[str]]


@dataclass(frozen=True)
class Setting:
    """Where a job runs. rate: of the link between two hosts of one rank each; None: one host."""

    ranks: int
    rate: str | None = None

    def words(self, hosts: Hosts | None) -> list[str]:
        """What names the hosts, to `plan` and to `launch`."""
        return [] if hosts is None else ["--hosts", ",".join(f"{name}:1" for name in hosts.names)]


SETTINGS = {
    "1 rank": Setting(1),
    "2 ranks": Setting(2),
    "2 hosts, 1 Gbit/s": Setting(2, "1gbit"),
    "2 hosts, 100 Mbit/s": Setting(2, "100mbit"),
}


@contextmanager
def place(setting: Setting) -> Iterator[tuple[Hosts | None, Start]]:
    """The hosts, if there are several, and what starts a command on the first."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    environment = os.environ | threads
    if setting.rate is None:
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        yield None, lambda command, cwd: subprocess.Popen(command, cwd=cwd, env=environment, **pipes)
        return
    with Hosts(2, rate=setting.rate) as hosts:
        environment["DTRAIN_RSH_AGENT"] = str(hosts.agent)
        first = hosts.names[0]
        yield (
            hosts,
            lambda command, cwd: hosts.start(first, command, cwd, environment, stderr=subprocess.PIPE),
        )


def planned(start: Start, hosts: Hosts | None, setting: Setting, folder: Path) -> tuple[float, float]:
    """Seconds of a step, and MiB of a rank, as `dtrain plan` expects them."""
    words = ["plan", "config.toml", "--ranks", str(setting.ranks), "--json", *setting.words(hosts)]
    process = start([sys.executable, "-P", "-m", "dtrain", *words], folder)
    out, err = process.communicate()
    if process.returncode:
        raise RuntimeError(err[-2000:])
    (row,) = [row for row in json.loads(out)["rows"] if row["ranks"] == setting.ranks]
    return row["seconds"], row["memory"] / 2**20


def measured(start: Start, hosts: Hosts | None, setting: Setting, folder: Path) -> tuple[float, float]:
    """Seconds of a step, and MiB of a rank, of a real run."""
    run = ["train", "config.toml", "--out", "run", "--overwrite"]
    launch = ["launch", "-n", str(setting.ranks), *setting.words(hosts), "--"]
    slow = ["--set", "train.epochs=1"] if setting.rate else []
    with tempfile.TemporaryFile("w+") as said:
        process = start([sys.executable, "-P", "-m", "dtrain", *launch, *run, *slow], folder)
        peak = 0.0
        while process.poll() is None:
            peak = max(peak, peak_mib(folder / "run"))
            sleep(0.05)
        said.write(process.communicate()[1])
        if process.returncode:
            said.seek(0)
            raise RuntimeError(said.read()[-2000:])
    return json.loads((folder / "run" / "summary.json").read_text())["step_seconds"], peak


def peak_mib(run: Path) -> float:
    """The most that a rank of a run under way has held so far, shared pages with it."""
    most = 0
    try:
        for rank in json.loads((run / "ranks.json").read_text()):
            for line in Path(f"/proc/{rank['pid']}/status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    most = max(most, int(line.split()[1]))
    except (OSError, ValueError):
        return 0.0
    return most / 1024


Found = dict[str, dict[str, list[tuple[float, float, float, float]]]]
"""Net → setting → of each round: planned and measured seconds, planned and measured MiB."""


def measure(names: list[str], settings: list[str], rounds: int) -> Found:
    found: Found = {net: {name: [] for name in settings} for net in names}
    with tempfile.TemporaryDirectory() as temporary:
        for net in names:
            folder = Path(temporary, net)
            folder.mkdir()
            x, target = nets.data(nets.NETS[net])
            np.savez(folder / "data.npz", x=x, y=target)
            text = dtrain_steps.config(nets.NETS[net], folder / "data.npz", "auto")
            (folder / "config.toml").write_text(text)
            for done in range(rounds):
                for name in settings:
                    progress(f"{net}: round {done + 1} of {rounds}, {name}")
                    with place(SETTINGS[name]) as (hosts, start):
                        seconds, mib = planned(start, hosts, SETTINGS[name], folder)
                        real, held = measured(start, hosts, SETTINGS[name], folder)
                    found[net][name].append((seconds, real, mib, held))
    progress("")
    return found


def report(found: Found) -> tuple[str, bool]:
    """A table of medians, and whether all planned times are within the bound."""
    rows, good = [], True
    for net, settings in found.items():
        for name, rounds in settings.items():
            seconds, real, mib, held = (median(column) for column in zip(*rounds, strict=True))
            off = seconds / real - 1
            good &= abs(off) <= WITHIN
            mark = "" if abs(off) <= WITHIN else "**"
            times = [f"{seconds * 1e3:.3f}", f"{real * 1e3:.3f}", f"{mark}{off:+.0%}{mark}"]
            rows.append([net, name, *times, f"{mib:.0f}", f"{held:.0f}"])
    head = ["net", "setting", "planned, ms", "measured, ms", "off", "planned, MiB", "real, MiB"]
    return table(head, rows), good


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--nets", default="small,middle,large", help="comma-separated (default: %(default)s)")
    parser.add_argument("--settings", default=";".join(SETTINGS), help="by ; (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every round's figures there")
    arguments = parser.parse_args()
    names, settings = arguments.nets.split(","), arguments.settings.split(";")
    if unknown := (set(names) - nets.NETS.keys()) | (set(settings) - SETTINGS.keys()):
        parser.error(
            f"expected nets of {', '.join(nets.NETS)} and settings of {'; '.join(SETTINGS)}, got {unknown}"
        )
    if reason := why_not():
        print(f"left out: several hosts ({reason})", file=sys.stderr)
        settings = [name for name in settings if SETTINGS[name].rate is None]
    busy = os.getloadavg()[0]
    found = measure(names, settings, arguments.rounds)
    text, good = report(found)
    print(
        f"{text}\n\nwithin {WITHIN:.0%}: {'yes' if good else 'no'}; load average before the first round {busy:.1f}"
    )
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n")
    return int(not good)


if __name__ == "__main__":
    sys.exit(main())
