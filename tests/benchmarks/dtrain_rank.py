"""`python -m dtrain ARGUMENTS` in this process, which leaves what it took in FOLDER/rank-PID.json.

peak_mib: peak memory. whole_step_seconds: the median from the start of a step to the start of the next, with all
that happens between the two.

python dtrain_rank.py FOLDER ARGUMENTS…
"""

from __future__ import annotations

import json
import os
import re
import resource
import runpy
import sys
from itertools import pairwise
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any


def peak_mib() -> float:
    """With shared pages. From Linux's account of this program: getrusage's has what ran before exec, too."""
    try:
        (kib,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    except (OSError, ValueError):
        kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform == "darwin" else 1)
    return int(kib) / 1024


def note_starts() -> list[float]:
    """Lets every step of a trainer note when it starts, here."""
    from dtrain.trainer.trainer import Trainer

    starts: list[float] = []
    one_step = Trainer.one_step

    def noted(*arguments: Any, **options: Any) -> Any:
        starts.append(perf_counter())
        return one_step(*arguments, **options)

    Trainer.one_step = noted  # type: ignore[method-assign]
    return starts


folder = Path(sys.argv.pop(1))
sys.path.pop(0)  # this script's folder: under `python -m` it would not be there either
starts = note_starts()
try:
    runpy.run_module("dtrain", run_name="__main__", alter_sys=True)
finally:
    whole = [after - before for before, after in pairwise(starts)]
    taken = {"peak_mib": peak_mib(), "whole_step_seconds": median(whole or [0.0])}
    (folder / f"rank-{os.getpid()}.json").write_text(json.dumps(taken))
