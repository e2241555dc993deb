"""Jobs killed whole, by SIGKILL, at any moment, and resumed on other ranks: the weights are those of one undisturbed.

    python -m tests.chaos.kill_all --runs 100 [--seed 0]

Each run trains a net with batch norm, dropout and Adam on real processes, one to four of them, with a checkpoint
every third step. It is killed up to three times: anywhere between the start of its processes and its end, while
a checkpoint is being written, or before there is one. Then it is resumed on another number of ranks, until it
ends. A run has failed when its weights or its metrics are not the undisturbed run's, when a resumed job does not
begin from the newest checkpoint that was ever seen whole, or when a job ends in any other way than these.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dtrain.trainer import checkpoint
from tests.chaos import setting
from tests.mpirun import ONE_THREAD, OPEN_MPI

CONFIG = setting.CONFIG.format(units=24, epochs=8, steps=3)
LIMIT = 120  # seconds for one job, on a busy machine
MOMENTS = ("anywhere", "in a write", "before the first")
_RESUMED = re.compile(r"resumed after step (\d+) from")


class Wrong(Exception):
    """What a run did that it must not."""


@dataclass
class Report:
    """What happened to one run."""

    ranks: list[int] = field(default_factory=list)
    kills: list[str] = field(default_factory=list)
    torn: int = 0
    """Kills that left a checkpoint half written."""
    fresh: int = 0
    """Jobs resumed before there was a checkpoint."""
    steps: list[int] = field(default_factory=list)
    """Steps from which it went on."""
    problem: str | None = None


class Job:
    """One start of the processes, in a session of its own."""

    def __init__(self, ranks: int, arguments: list[str], log: Path) -> None:
        command = [sys.executable, "-P", "-m", "dtrain", *arguments]
        if ranks > 1:
            beside = shutil.which("mpirun", path=Path(sys.executable).parent) or "mpirun"
            command = [beside, "-n", str(ranks), *command]
        self.log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                command,
                env={**os.environ, **OPEN_MPI, **ONE_THREAD},
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def alive(self) -> bool:
        return self.process.poll() is None

    def kill(self) -> None:
        """SIGKILL for every process of the job, the writing ones among them first."""
        own = [*_family(self.process.pid)]
        for number in reversed(own):
            try:
                os.kill(number, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.process.wait()
        for number in own:  # orphans are reaped by init: gone once they are no more, or zombies
            while _runs(number):
                time.sleep(0.001)

    def end(self) -> str:
        try:
            self.process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Wrong(f"a job hung: {self.log.read_text(errors='replace')[-2000:]}") from None
        return self.log.read_text(errors="replace")


def _family(root: int) -> Iterator[int]:
    """Yields a process and all below it, parents before their children."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(path.read_text().rpartition(")")[2].split()[1])
        except (OSError, IndexError):
            continue
        children.setdefault(parent, []).append(int(path.parent.name))
    waiting = [root]
    while waiting:
        yield (number := waiting.pop(0))
        waiting += children.get(number, [])


def _runs(number: int) -> bool:
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class Watch:
    """What is seen of a run folder from outside. newest: the last step whose checkpoint was ever seen whole."""

    def __init__(self, folder: Path) -> None:
        self.checkpoints, self.newest, self.writing = folder / "checkpoints", 0, False

    def look(self) -> None:
        try:
            names = os.listdir(self.checkpoints)
        except OSError:
            names = []
        self.writing = any(name.startswith(".step-") for name in names)
        steps = [int(name[5:15]) for name in names if name.startswith("step-")]
        self.newest = max([self.newest, *steps])


def _until(job: Job, watch: Watch, moment: str, chance: random.Random, seconds: float) -> bool:
    """Waits for the moment; tells whether the job still runs then. seconds: that a whole job takes."""
    goal: Callable[[], bool]
    if moment == "anywhere":
        end = time.monotonic() + chance.uniform(0, seconds)
        goal = lambda: time.monotonic() >= end  # noqa: E731
    elif moment == "in a write":
        least = watch.newest + chance.randint(0, 60)
        goal = lambda: watch.writing and watch.newest >= least  # noqa: E731
    else:
        goal = watch.checkpoints.exists
    while job.alive():
        watch.look()
        if goal():
            return True
        if moment == "anywhere":
            time.sleep(0.002)
    return False


def one_run(out: Path, chance: random.Random, wanted: dict[str, Any], seconds: float) -> Report:
    """Starts, kills and resumes one run until it ends, and compares it with the undisturbed one."""
    report = Report()
    out.mkdir()
    (out / "run.toml").write_text(CONFIG)
    watch, kills, ranks = Watch(out / "run"), chance.randint(1, 3), chance.randint(1, 4)
    for place in range(kills + 1):
        report.ranks.append(ranks)
        before = _newest(watch)
        there = (out / "run").exists()
        job = Job(ranks, _arguments(out, there), out / f"log-{place}")
        moment = chance.choices(MOMENTS, (4, 5, 2))[0] if place == 0 else chance.choice(MOMENTS[:2])
        killed = place < kills and _until(job, watch, moment, chance, seconds)
        if killed:
            job.kill()
            report.kills.append(moment)
            watch.look()
            report.torn += watch.writing
        output = job.end()
        if there:
            _check_start(output, before, report, killed)
        if not killed:
            _check_end(job, output, out / "run", wanted)
            return report
        ranks = chance.choice([n for n in range(1, 5) if n != ranks])
    raise AssertionError("the last job is never killed")


def _arguments(out: Path, there: bool) -> list[str]:
    return ["train", str(out / "run.toml"), "--out", str(out / "run"), *["--resume"] * there]


def _newest(watch: Watch) -> int:
    """Returns the step of the newest whole checkpoint, 0 without one; none that was whole may be lost."""
    if not checkpoint.are_in(watch.checkpoints):
        found = 0
    else:
        path, damaged = checkpoint.newest(watch.checkpoints)
        found = checkpoint.read(path).cursor["step"]
        if damaged:
            raise Wrong(f"damaged: {damaged}")
    if found < watch.newest:
        raise Wrong(f"the checkpoint of step {watch.newest} was there, now the newest is of step {found}")
    return found


def _check_start(output: str, before: int, report: Report, killed: bool) -> None:
    """The job must have gone on from the newest checkpoint, or from the beginning where there was none."""
    found = _RESUMED.search(output)
    fresh = "holds no checkpoint yet: starting from the beginning" in output
    if killed and found is None and not fresh:
        return  # before it could say so
    if before == 0 and fresh:
        report.fresh += 1
    elif found is None or int(found[1]) != before:
        raise Wrong(f"expected to go on from step {before}, got {output[-2000:]}")
    else:
        report.steps.append(before)


def _check_end(job: Job, output: str, folder: Path, wanted: dict[str, Any]) -> None:
    if job.process.returncode:
        raise Wrong(f"exit code {job.process.returncode}: {output[-2000:]}")
    got = outcome(folder)
    for key, value in wanted.items():
        if got[key] != value:
            raise Wrong(f"{key}: expected {value}, got {got[key]}")
    left = [name for name in os.listdir(folder / "checkpoints") if name.endswith(".tmp")]
    if left:
        raise Wrong(f"left behind: {left}")


def outcome(folder: Path) -> dict[str, Any]:
    """What two runs must have alike."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    for line in lines:
        del line["seconds"]
    summary = json.loads((folder / "summary.json").read_text())
    return {key: summary[key] for key in ("weights_sha256", "steps", "epochs")} | {"metrics": lines}


def undisturbed(folder: Path) -> tuple[dict[str, Any], float]:
    """Returns what a run on one process ends with, and the seconds that it took."""
    folder.mkdir()
    (folder / "run.toml").write_text(CONFIG)
    began = time.monotonic()
    job = Job(1, _arguments(folder, False), folder / "log")
    output = job.end()
    if job.process.returncode:
        raise Wrong(output)
    return outcome(folder / "run"), time.monotonic() - began


def campaign(folder: Path, runs: int, seed: int, tell: Callable[[int, Report], None]) -> list[Report]:
    """Carries out many runs; a problem ends none of the others."""
    wanted, seconds = undisturbed(folder / "undisturbed")
    reports = []
    for number in range(runs):
        chance = random.Random(f"{seed} {number}")
        out = folder / str(number)
        try:
            report = one_run(out, chance, wanted, 1.5 * seconds)
            shutil.rmtree(out)
        except Wrong as wrong:
            report = Report(problem=f"{wrong} (in {out})")
        reports.append(report)
        tell(number, report)
    return reports


def table(reports: list[Report]) -> str:
    """Returns the totals as text."""
    kills = Counter(kill for report in reports for kill in report.kills)
    started = Counter(ranks for report in reports for ranks in report.ranks)
    rows = [
        ("runs", len(reports)),
        ("ended in the undisturbed run's weights and metrics", sum(r.problem is None for r in reports)),
        ("kills", sum(kills.values())),
        *((f"  {moment}", kills[moment]) for moment in MOMENTS),
        ("kills that left a checkpoint half written", sum(r.torn for r in reports)),
        ("jobs that went on from the newest checkpoint", sum(len(r.steps) for r in reports)),
        ("jobs that began anew: there was none yet", sum(r.fresh for r in reports)),
        *((f"jobs on {ranks} rank{'s' * (ranks > 1)}", started[ranks]) for ranks in sorted(started)),
    ]
    return "\n".join(f"{name:<52}{count:>6}" for name, count in rows)


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--runs", type=int, default=100)
    options.add_argument("--seed", type=int, default=0)
    chosen = options.parse_args()

    def tell(number: int, report: Report) -> None:
        ranks = " → ".join(map(str, report.ranks))
        print(f"{number:>4}  ranks {ranks:<16} {report.problem or ', '.join(report.kills)}", flush=True)

    folder = Path(tempfile.mkdtemp(prefix="kill-all-"))
    reports = campaign(folder, chosen.runs, chosen.seed, tell)
    print(table(reports))
    failed = any(report.problem for report in reports)
    if not failed:
        shutil.rmtree(folder)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
