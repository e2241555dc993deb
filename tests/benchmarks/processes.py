"""Start the systems' processes: MPI ranks, torch ranks, single ones. Standard library only."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryFile
from time import monotonic, sleep
from typing import IO, Any

HERE = Path(__file__).parent
LIMIT = 900  # seconds of one run


def environment(threads: int, **more: object) -> dict[str, str]:
    """This environment with `threads` BLAS and OpenMP threads, and what Open MPI needs on one host."""
    env = os.environ | {f"{name}_NUM_THREADS": str(threads) for name in ("OMP", "OPENBLAS", "MKL")}
    env = {"OMPI_MCA_btl": "^ofi", "OMPI_MCA_osc": "^ucx"} | env
    if os.getuid() == 0:
        env |= {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    return env | {name: str(value) for name, value in more.items()}


def mpirun(python: str, ranks: int, more: Sequence[str] = ()) -> list[str]:
    """The start of a command line that runs `python` on `ranks` ranks: nothing but `python` for one.

    more: further arguments of mpirun.
    """
    if ranks == 1:
        return [python]
    beside = Path(python).with_name("mpirun")  # as a virtual environment has it, before any other on the path
    found = str(beside) if beside.exists() else shutil.which("mpirun")
    if found is None:
        raise FileNotFoundError(f"mpirun must be beside {python} or on the PATH, found in neither")
    return [found, "--bind-to", "none", "--map-by", ":OVERSUBSCRIBE", "-n", str(ranks), *more, python]


def imports(python: str, *modules: str) -> bool:
    """Whether that interpreter has these modules."""
    code = f"import importlib.util as u, sys; sys.exit(not all(map(u.find_spec, {modules!r})))"
    try:
        return subprocess.run([python, "-c", code], stderr=subprocess.DEVNULL, check=False).returncode == 0
    except OSError:
        return False


def together(jobs: list[tuple[list[str], dict[str, str]]]) -> str:
    """Run command lines at the same time; the first one's output. When one fails or is late, all end."""
    with ExitStack() as stack:
        outputs = [stack.enter_context(TemporaryFile("w+")) for _ in jobs]
        running = [
            subprocess.Popen(command, env=env, stdout=output, stderr=output, start_new_session=True)
            for (command, env), output in zip(jobs, outputs, strict=True)
        ]
        stack.callback(end, running)
        wait(running)
        texts = [read(output) for output in outputs]
        for process, (command, _), text in zip(running, jobs, texts, strict=True):
            if process.returncode:
                raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}\n{text[-2000:]}")
            if process.returncode is None and not any(other.returncode for other in running):
                raise TimeoutError(f"{' '.join(command)} must end within {LIMIT} s\n{text[-2000:]}")
        return texts[0]


def wait(running: list[subprocess.Popen[bytes]]) -> None:
    """Until all are done, one has failed, or the time is over."""
    deadline = monotonic() + LIMIT
    while monotonic() < deadline:
        codes = [process.poll() for process in running]
        if any(codes) or None not in codes:
            return
        sleep(0.05)


def end(running: list[subprocess.Popen[bytes]]) -> None:
    """SIGTERM first: a killed mpirun would leave its ranks behind."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        for process in running:
            if process.poll() is None:
                os.killpg(process.pid, number)
        deadline = monotonic() + 5
        while monotonic() < deadline and any(process.poll() is None for process in running):
            sleep(0.05)


def read(output: IO[str]) -> str:
    output.seek(0)
    return output.read()


def last_json(output: str) -> dict[str, Any]:
    """The result that a system prints, among what its libraries say."""
    (line,) = [line for line in output.splitlines() if line.startswith("{")]
    return json.loads(line)


def by_hand(python: str, net: str, ranks: int) -> dict[str, Any]:
    start = mpirun(python, ranks) + (["-m", "mpi4py"] if ranks > 1 else [])
    return last_json(together([([*start, str(HERE / "by_hand.py"), net], environment(1))]))


def torch(python: str, net: str, ranks: int, threads: int, *flags: str) -> dict[str, Any]:
    command = [python, str(HERE / "torch_ddp.py"), net, "--threads", str(threads), *flags]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    meeting = {"WORLD_SIZE": ranks, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    return last_json(
        together([(command, environment(threads, RANK=rank, **meeting)) for rank in range(ranks)])
    )
