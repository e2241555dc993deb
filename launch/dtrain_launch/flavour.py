"""Whose `mpirun` it is, read from the first lines of `mpirun --version`."""

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dtrain_launch.errors import LaunchError

Family = Literal["open_mpi", "mpich", "intel"]

_NAMES: dict[Family, str] = {"open_mpi": "Open MPI", "mpich": "MPICH", "intel": "Intel MPI"}
_SECONDS = 8.0
_SIGNATURES: tuple[tuple[Family, re.Pattern[str]], ...] = (
    ("open_mpi", re.compile(r"\(Open(?: MPI|RTE)\) (\d+(?:\.\d+)*)")),
    ("intel", re.compile(r"Intel\(R\) MPI Library.*Version (\d+(?:\.\d+)*)")),
    ("mpich", re.compile(r"HYDRA build details:\s+Version:\s+(\d+(?:\.\d+)*)")),
)


@dataclass(frozen=True)
class Flavour:
    """An installed MPI launcher: its family, its version as numbers, and the file to start."""

    family: Family
    version: tuple[int, ...]
    mpirun: Path

    def __str__(self) -> str:
        return f"{_NAMES[self.family]} {'.'.join(map(str, self.version))} ({self.mpirun})"


def detect(mpirun: Path, environment: Mapping[str, str], patience: float = _SECONDS) -> Flavour:
    """Ask `mpirun` for its version; `patience`: seconds for its answer.

    Raises LaunchError where it cannot be run or is none of the known three.
    """
    text = _version_text(mpirun, environment, patience)
    family, version = read_version(text, mpirun)
    return Flavour(family, version, _starter(family, mpirun))


def read_version(text: str, mpirun: Path) -> tuple[Family, tuple[int, ...]]:
    """Family and version from what `mpirun --version` printed."""
    for family, signature in _SIGNATURES:
        if found := signature.search(text):
            return family, tuple(int(number) for number in found[1].split("."))
    raise _unknown(mpirun, repr(_first_line(text)))


def _version_text(mpirun: Path, environment: Mapping[str, str], patience: float) -> str:
    # Intel's mpirun is a script that finds its own program only on PATH.
    path = os.pathsep.join([str(mpirun.parent), environment.get("PATH", os.defpath)])
    try:
        answer = subprocess.run(
            [str(mpirun), "--version"],
            env={**environment, "PATH": path},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=patience,
            check=False,
        )
    except OSError as error:
        raise _unknown(mpirun, error.strerror or str(error)) from error
    except subprocess.TimeoutExpired as error:
        raise _unknown(mpirun, f"nothing within {patience:g} s") from error
    return answer.stdout.decode(errors="replace")


def _starter(family: Family, mpirun: Path) -> Path:
    """Intel's `mpirun` dies of SIGUSR1 and orphans the ranks; `mpiexec.hydra` beside it passes it on."""
    hydra = mpirun.with_name("mpiexec.hydra")
    return hydra if family == "intel" and hydra.is_file() else mpirun


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "")


def _unknown(mpirun: Path, answer: str) -> LaunchError:
    return LaunchError(
        f"launch: expected the mpirun of Open MPI, MPICH or Intel MPI, got {mpirun}, "
        f"whose --version gave {answer}; name another with --mpirun"
    )
