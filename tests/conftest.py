"""What every test may ask for, and what keeps the ranks of `mpirun pytest` together.

Tests marked `mpi` run under `mpirun -n N python -m mpi4py -m pytest --with-mpi tests/mpi …`;
tests/test_mpirun.py does so for several N from a plain `pytest`.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dtrain.communicator.environment import launched
from tests.mpirun import Finished, run_mpirun

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # So it is in a background job, and processes under test would inherit it.
    signal.signal(signal.SIGINT, signal.default_int_handler)

LAUNCHED = launched()
MANY = LAUNCHED is not None and LAUNCHED.size > 1
TIMEOUT = float(os.environ.get("DTRAIN_TEST_TIMEOUT", "120"))  # seconds for one test under mpirun


@pytest.fixture(scope="session")
def mpirun() -> Callable[..., Finished]:
    """Runs `mpirun -n ranks python arguments…`; without an mpirun the test fails. See `run_mpirun`."""
    return run_mpirun


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
