"""Kills ranks of running jobs at random moments; every run has to end in the undisturbed run's weights.

    python -m tests.chaos.kill_ranks --runs 100

Needs Open MPI 5 beside this Python. A net with batch normalization, dropout and Adam is trained on 3 or 4 ranks;
one or two of them are killed (SIGKILL): at any moment, while a checkpoint is being written, or the second while the
others are recovering from the loss of the first. Prints a line a run, and at the end what the kills cost.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from tests.chaos import setting
from tests.mpirun import ONE_THREAD, OPEN_MPI

MOMENTS = ("any", "any", "any", "checkpoint", "recovery")
LIMIT = 120.0
"""Seconds after which a run counts as one that hangs."""

LOSS = re.compile(r"lost (?P<who>rank .*); \d+ ranks? goe?s? ?on after step [\d,]+ \((?P<ms>\d+) ms\)")


@dataclass
class Outcome:
    """How a run ended. told: seconds from each kill to the line that says that the others go on.

    recovery: milliseconds that it says this took. lost: steps after which ranks were lost. throughput: samples a
    second after the last of these, over those before the first.
    """

    moment: str
    ranks: int
    killed: int
    sha: str = ""
    trouble: str = ""
    told: list[float] = field(default_factory=list)
    recovery: list[float] = field(default_factory=list)
    lost: list[int] = field(default_factory=list)
    throughput: float | None = None


def command(ranks: int, config: Path | str, out: Path | str) -> list[str]:
    scripts = Path(sys.executable).parent
    flags = ["--with-ft", "ulfm", "-n", str(ranks)]
    return [
        str(scripts / "mpirun"),
        *flags,
        sys.executable,
        "-m",
        "dtrain",
        "train",
        str(config),
        "--out",
        str(out),
    ]


class Job:
    """A job of ranks that are killed one by one, and what it says, line by line with the time."""

    def __init__(self, ranks: int, config: Path, out: Path) -> None:
        self.out, self.log = out, out.with_suffix(".log")
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                command(ranks, config, out),
                stdout=log,
                stderr=log,
                env={**os.environ, **OPEN_MPI, **ONE_THREAD},
                start_new_session=True,
            )

    def pids(self) -> list[int]:
        """Returns the process of each rank, once the run has begun."""
        table = self.out / "ranks.json"
        while self.process.poll() is None:
            if table.exists():
                return [row["pid"] for row in json.loads(table.read_text())]
            time.sleep(0.002)
        return []

    def losses(self) -> list[re.Match[str]]:
        """Returns the lines so far that say that ranks were lost."""
        return [*LOSS.finditer(self.log.read_text())]

    def wait_for(self, happens: object, seconds: float) -> bool:
        """Returns whether `happens()` came true in time, while the job ran."""
        assert callable(happens)
        end = time.monotonic() + seconds
        while not happens():
            if self.process.poll() is not None or time.monotonic() > end:
                return bool(happens())
            time.sleep(0.001)
        return True

    def end(self) -> None:
        """Leaves nothing behind."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def kill(pid: int) -> None:
    with suppress(ProcessLookupError):  # it may be done
        os.kill(pid, signal.SIGKILL)


def disturbed(rng: random.Random, config: Path, out: Path, seconds: float) -> Outcome:
    """Returns how a run ended in which ranks were killed. seconds: how long the training takes undisturbed."""
    moment, ranks = rng.choice(MOMENTS), rng.choice((3, 4))
    victims = rng.sample(range(ranks), 2 if moment == "recovery" else rng.choice((1, 2)))
    outcome = Outcome(moment, ranks, len(victims))
    job = Job(ranks, config, out)
    try:
        pids = job.pids()
        for i, victim in enumerate(victims if pids else ()):
            if moment == "checkpoint" and i == 0:
                victim = 0  # the rank that writes
                job.wait_for(lambda: any(out.glob("checkpoints/.*.tmp")), rng.uniform(0, seconds))
            elif moment == "recovery" and i == 1:
                time.sleep(rng.uniform(0, 0.05))
            else:
                time.sleep(rng.uniform(0, seconds / len(victims)))
            kill(pids[victim])
            if not (moment == "recovery" and i == 0):
                began, before = time.monotonic(), len(job.losses())
                if job.wait_for(lambda: len(job.losses()) > before, 10):  # noqa: B023
                    outcome.told.append(time.monotonic() - began)
        ended = job.wait_for(lambda: False, LIMIT) or job.process.poll() is not None
        outcome.recovery = [float(loss["ms"]) for loss in job.losses()]
        if not ended:
            outcome.trouble = "hangs"
        elif not pids:
            outcome.trouble = "did not start"
        elif not (out / "summary.json").exists():
            outcome.trouble = f"ended with {job.process.returncode} and no summary"
        else:
            summary = json.loads((out / "summary.json").read_text())
            outcome.sha = summary["weights_sha256"]
            outcome.lost = [one["step"] for one in summary["lost"]]
            outcome.throughput = throughput(out, outcome.lost)
    finally:
        job.end()
    return outcome


def throughput(out: Path, lost: list[int]) -> float | None:
    """Returns how fast whole epochs were after the losses, over those before; None where one of them is missing."""
    if not lost:
        return None
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    steps = [0, *(line["step"] for line in lines)]
    before = [line["seconds"] for line in lines if line["step"] <= min(lost)]
    after = [line["seconds"] for line, start in zip(lines, steps, strict=False) if start >= max(lost)]
    return median(before) / median(after) if before and after else None


def undisturbed(config: Path, out: Path, ranks: int) -> tuple[str, float]:
    """Returns the hash of the weights, and how many seconds pass from the first step to the end."""
    job = Job(ranks, config, out)
    job.pids()
    began = time.monotonic()
    if job.process.wait(LIMIT):
        raise SystemExit(f"the undisturbed run failed:\n{job.log.read_text()}")
    seconds = time.monotonic() - began
    return json.loads((out / "summary.json").read_text())["weights_sha256"], seconds


def main(arguments: list[str] | None = None) -> int:
    """Returns 1 when a run did not end in the undisturbed weights."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=12)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        return series(options, Path(folder))


def series(options: argparse.Namespace, folder: Path) -> int:
    config = folder / "config.toml"
    config.write_text(setting.CONFIG.format(units=128, epochs=options.epochs, steps=20))
    sha, seconds = undisturbed(config, folder / "undisturbed", 4)
    print(f"undisturbed: {sha[:12]} in {seconds:.1f} s", flush=True)
    outcomes = []
    for number in range(options.runs):
        rng = random.Random(f"{options.seed}/{number}")
        outcome = disturbed(rng, config, folder / f"run-{number}", seconds)
        if outcome.trouble == "did not start":  # mpirun itself, on a machine that is too busy
            outcome = disturbed(rng, config, folder / f"run-{number}-again", seconds)
        outcomes.append(outcome)
        right = outcome.sha == sha and not outcome.trouble
        if not right:
            print((folder / f"run-{number}.log").read_text(), file=sys.stderr)
        print(
            f"{number:4} {outcome.ranks} ranks, {outcome.killed} killed ({outcome.moment}), "
            f"{len(outcome.lost)} lost after steps {outcome.lost}: "
            f"{outcome.trouble or ('the same weights' if right else 'OTHER WEIGHTS')}",
            flush=True,
        )
    return report(outcomes, sha)


def report(outcomes: list[Outcome], sha: str) -> int:
    wrong = [outcome for outcome in outcomes if outcome.sha != sha or outcome.trouble]
    lost = sum(len(outcome.lost) for outcome in outcomes)
    print(
        f"{len(outcomes) - len(wrong)} of {len(outcomes)} runs ended in the undisturbed weights; {lost} ranks lost"
    )
    told = [seconds for outcome in outcomes for seconds in outcome.told]
    recovery = [ms for outcome in outcomes for ms in outcome.recovery]
    if told and recovery:
        print(f"from a kill to the others going on: median {median(told):.3f} s, worst {max(told):.3f} s")
        print(f"of it, recovering: median {median(recovery):.0f} ms, worst {max(recovery):.0f} ms")
    speeds = [outcome.throughput for outcome in outcomes if outcome.throughput is not None]
    if speeds:
        print(
            f"samples a second after the losses, over before: median {median(speeds):.2f} of {len(speeds)} runs"
        )
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
