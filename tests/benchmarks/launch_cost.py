"""What `dtrain launch -n 2` costs over the `mpirun -n 2` line that it prints: both whole, in turn, medians.

    python -m tests.benchmarks.launch_cost [PAIRS]

The ranks only print their help, so that what is measured is not lost in the noise of what they do. Seconds on the clock
hold for the machine as busy as it is; seconds of CPU hardly depend on that, and on an idle machine the clock shows no
more.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from resource import RUSAGE_CHILDREN, getrusage
from statistics import median
from time import perf_counter

LAUNCH = (sys.executable, "-P", "-m", "dtrain", "launch")
COMMAND = ("-n", "2", "--", "train", "--help")


def cost(command: list[str], environment: dict[str, str]) -> tuple[float, float]:
    """Returns how many seconds a command takes, on the clock and of CPU, with all its processes."""
    began, before = perf_counter(), getrusage(RUSAGE_CHILDREN)
    subprocess.run(command, env=environment, check=True, capture_output=True)
    after = getrusage(RUSAGE_CHILDREN)
    return perf_counter() - began, sum(after[:2]) - sum(before[:2])


def bare() -> tuple[list[str], dict[str, str]]:
    """Returns the mpirun command that the launcher would run, and its environment."""
    dry = [*LAUNCH, "--dry-run", *COMMAND]
    words = shlex.split(subprocess.run(dry, check=True, capture_output=True, text=True).stdout)
    start = next(i for i, word in enumerate(words) if word.startswith("/"))
    return words[start:], {**os.environ, **dict(word.split("=", 1) for word in words[:start])}


def main() -> None:
    """Prints medians over the pairs."""
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    command, environment = bare()
    print(shlex.join(command))
    took = [(cost([*LAUNCH, *COMMAND], dict(os.environ)), cost(command, environment)) for _ in range(pairs)]
    for kind, name in enumerate(("clock", "CPU")):
        ours, theirs = ([pair[side][kind] for pair in took] for side in (0, 1))
        over = median(a - b for a, b in zip(ours, theirs, strict=True))
        print(
            f"{name:6} dtrain launch {median(ours):.3f} s  mpirun {median(theirs):.3f} s  over {over:.3f} s"
        )


if __name__ == "__main__":
    main()
