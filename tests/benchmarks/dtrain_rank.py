"""`python -m dtrain ARGUMENTS` in this process, which leaves its peak memory in MiB in FOLDER/peak-PID.

python dtrain_rank.py FOLDER ARGUMENTS…
"""

from __future__ import annotations

import os
import re
import resource
import runpy
import sys
from pathlib import Path


def peak_mib() -> float:
    """With shared pages. From Linux's account of this program: getrusage's has what ran before exec, too."""
    try:
        (kib,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    except (OSError, ValueError):
        kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform == "darwin" else 1)
    return int(kib) / 1024


folder = Path(sys.argv.pop(1))
sys.path.pop(0)  # this script's folder: under `python -m` it would not be there either
try:
    runpy.run_module("dtrain", run_name="__main__", alter_sys=True)
finally:
    (folder / f"peak-{os.getpid()}").write_text(str(peak_mib()))
