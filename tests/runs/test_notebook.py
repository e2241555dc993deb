"""`dtrain.train(…, ranks=4)` in a session like a notebook's: an event loop, threads, a stderr that is no file."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.mpirun import python_path

KERNEL = """
import asyncio, io, json, sys, threading, time
import numpy as np

np.ones((500, 500)) @ np.ones((500, 500))  # BLAS has its threads
threading.Thread(target=time.sleep, args=(3600,), daemon=True).start()
screen = sys.stderr

class Cell(io.StringIO):
    def fileno(self):
        raise io.UnsupportedOperation("fileno")

    def write(self, text):
        written = super().write(text)  # before the test sees the text: then it sends SIGINT
        screen.write(text)
        screen.flush()
        return written

async def cell(epochs):
    import dtrain

    sys.stderr = Cell()
    result = dtrain.train("run.toml", set={"train.epochs": epochs}, out="out", ranks=4)
    shown = "epoch 1/" in " ".join(sys.stderr.getvalue().split())
    print(json.dumps([result.code, result.summary and result.summary["ranks"], shown]), flush=True)

asyncio.run(cell(int(sys.argv[1])))
"""


@pytest.fixture
def kernel(elsewhere: Path, write) -> Iterator:
    """Starts a session that trains for so many epochs."""
    write()
    running = []

    def start(epochs: int) -> subprocess.Popen[str]:
        settings = {**os.environ, "PYTHONPATH": python_path(), "PYTHONWARNINGS": "error"}
        command = [sys.executable, "-P", "-c", KERNEL, str(epochs)]
        running.append(
            subprocess.Popen(command, env=settings, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        )
        return running[-1]

    yield start
    for session in running:
        session.kill()
        session.communicate()


def wait_until_it_trains(session: subprocess.Popen[str]) -> None:
    for line in session.stderr:
        if line.startswith("epoch"):
            return
    pytest.fail("the session ended before its first epoch")


def processes_in(folder: Path) -> list[str]:
    """The processes that work in a folder, but for this one."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if path.name != str(os.getpid()) and (path / "cwd").resolve().is_relative_to(folder):
                found.append((path / "cmdline").read_text().replace("\0", " "))
        except OSError:  # it ended meanwhile
            continue
    return found


def all_gone(folder: Path) -> bool:
    deadline = time.monotonic() + 20
    while (left := processes_in(folder)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return not left


def test_a_cell_starts_its_ranks_shows_their_progress_and_returns_the_result(kernel, elsewhere):
    out, err = kernel(2).communicate()
    assert json.loads(out) == [0, 4, True], err
    assert all_gone(elsewhere)


def test_an_interrupted_cell_saves_and_ends_every_rank(kernel, elsewhere):
    """A notebook sends SIGINT to the kernel alone."""
    session = kernel(1_000_000)
    wait_until_it_trains(session)
    session.send_signal(signal.SIGINT)
    out, err = session.communicate(timeout=30)
    assert json.loads(out) == [130, None, True], err
    assert [*Path("out/checkpoints").glob("step-*")]
    assert all_gone(elsewhere)


def test_a_kernel_that_is_killed_takes_its_ranks_with_it(kernel, elsewhere):
    session = kernel(1_000_000)
    wait_until_it_trains(session)
    session.kill()
    session.communicate()
    assert all_gone(elsewhere)
