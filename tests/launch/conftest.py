"""A stand-in for mpirun, and the launcher as a process of its own: it takes signals and adopts orphans."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import dtrain_launch

VERSION = "mpirun (Open MPI) 5.0.11\n\nReport bugs to https://www.open-mpi.org/community/help/\n"
_FOREIGN = ("OMPI_", "DTRAIN_", "MPI4PY_", "SLURM_", "PBS_", "LSB_", "K_MPI_")
PREAMBLE = """#!{python}
import os, signal, sys, time
from pathlib import Path
if "--version" in sys.argv:
    print({version!r})
    sys.exit(0)
here = Path(__file__).parent
def note(word):
    with open(here / "log", "a") as log:
        log.write(word + chr(10))
def noting(number, frame):
    note(signal.Signals(number).name)
def wait(for_what=None):
    while not (for_what and (here / for_what).exists()):
        time.sleep(0.02)
"""


class Fake:
    """An `mpirun` of which the test writes the body; it notes what it sees in a log beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "mpirun"

    def write(self, body: str, version: str = VERSION) -> Path:
        self.path.write_text(PREAMBLE.format(python=sys.executable, version=version) + body)
        self.path.chmod(0o755)
        return self.path

    def log(self) -> list[str]:
        log = self.folder / "log"
        return log.read_text().split() if log.exists() else []

    def wait_for(self, word: str) -> None:
        self.wait_until(lambda: word in self.log(), f"{word} in the log")

    def wait_until(self, true: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + 30
        while not true():
            assert time.monotonic() < deadline, f"waited 30 s for {what}"
            time.sleep(0.02)

    def is_alive(self, name: str) -> bool:
        """Whether the process lives whose number the body wrote to the file `name`."""
        return Path("/proc", (self.folder / name).read_text()).exists()


@pytest.fixture
def fake(tmp_path: Path) -> Fake:
    return Fake(tmp_path)


@pytest.fixture
def environment() -> dict[str, str]:
    """This one, where the package can be imported, without what an MPI or a user has set."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(_FOREIGN)}
    return {**kept, "PYTHONPATH": str(Path(dtrain_launch.__file__).parents[1])}


@pytest.fixture
def start(fake: Fake, environment: dict[str, str]) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start `dtrain launch -n 2 --mpirun FAKE -- evaluate x` (or `words`) and see to its end."""
    running: list[subprocess.Popen[str]] = []

    def start(words: list[str] | None = None, prefix: tuple[str, ...] = (), **settings: str):
        words = words or ["-n", "2", "--mpirun", str(fake.path), "--", "evaluate", "x"]
        launcher = subprocess.Popen(
            [*prefix, sys.executable, "-m", "dtrain_launch", *words],
            env={**environment, **settings},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        running.append(launcher)
        return launcher

    yield start
    for launcher in running:
        if launcher.poll() is None:
            launcher.send_signal(signal.SIGKILL)
        launcher.communicate()
