"""Python, NumPy, dtrain, MPI and all plugins: the same on every host."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from pathlib import Path

from ..finding import Finding, fail, ok
from ..wording import counted, grouped
from ..world import Facts, World

_SHOWN = 3
_WHAT = {
    "python": ("Python", "install the same Python at the same path on every host, or mount it there"),
    "executable": (
        "the path of Python",
        "install the environment at the same path on every host, or mount it there",
    ),
    "numpy": ("NumPy", "{python} -m pip install numpy=={numpy}"),
    "mpi4py": ("mpi4py", "{python} -m pip install mpi4py=={mpi4py}"),
    "dtrain": ("dtrain", "{python} -m pip install dtrain=={dtrain}"),
    "digest": (
        "the source of dtrain",
        "install the very same dtrain on every host: its version is the same, its files are not",
    ),
}


def look(_: Facts) -> Facts:
    from importlib.metadata import version

    import numpy

    import dtrain
    from dtrain.errors import DtrainError
    from dtrain.registry import Registry

    found: Facts = {
        "python": platform.python_version(),
        "executable": sys.executable,
        "numpy": numpy.__version__,
        "mpi4py": version("mpi4py"),
        "dtrain": dtrain.__version__,
        "digest": _digest(Path(dtrain.__file__).parent),
        "parts": {},
        "why": "",
    }
    try:
        table = Registry.load().table()
        found["parts"] = {f"{e.kind}.{e.name}": [e.plugin, e.distribution, e.version] for e in table}
    except DtrainError as error:
        found["why"] = str(error)
    return found


def _digest(package: Path) -> str:
    """Of all modules of dtrain: what pip calls one version may be another checkout."""
    import hashlib

    total = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        total.update(str(path.relative_to(package)).encode() + b"\0" + path.read_bytes())
    return total.hexdigest()[:12]


def judge(world: World) -> Iterator[Finding]:
    hosts = list(world.answering("software"))
    for host, why in world.deaf("software"):
        yield fail(f"{host.name}: {why}", world.on(host, "python -c 'import numpy, dtrain'"))
    same = True
    for host, found in hosts:
        if found["why"]:
            same = False
            yield fail(f"{host.name}: {found['why']}", world.on(host, "dtrain plugins list"))
    if not hosts:
        return
    for key, (name, remedy) in _WHAT.items():
        values = {host.name: str(found[key]) for host, found in hosts}
        if len({*values.values()}) > 1 and not (key == "digest" and len({f["dtrain"] for _, f in hosts}) > 1):
            same = False
            yield fail(f"{name} differs: {grouped(values)}", *_commands(world, key, remedy))
    yield from _parts(world) if same else ()
    if same and len({_table(found) for _, found in hosts}) == 1:
        yield ok(_all(hosts[0][1], len(hosts)))


def _commands(world: World, key: str, remedy: str) -> Iterator[str]:
    """The remedy for each host that has something else than this one."""
    if "{" not in remedy:
        yield remedy
        return
    wanted = next(found for _, found in world.answering("software"))
    for host, found in world.answering("software"):
        if found[key] != wanted[key]:
            yield world.on(host, remedy.format(**{**wanted, "python": found["executable"]}))


def _table(found: Facts) -> str:
    return repr(sorted(found["parts"].items()))


def _parts(world: World) -> Iterator[Finding]:
    """Those that differ in the same way, as all of one package do, are one finding."""
    tables = {host.name: found["parts"] for host, found in world.answering("software")}
    alike: dict[str, list[str]] = {}
    for name in sorted({name for table in tables.values() for name in table}):
        origins = {host: _origin(table.get(name)) for host, table in tables.items()}
        if len({*origins.values()}) > 1:
            alike.setdefault(grouped(origins), []).append(name)
    for where, names in list(alike.items())[:_SHOWN]:
        more = f" and {counted(len(names) - 1, 'more part')}" if len(names) > 1 else ""
        yield fail(f"{names[0]}{more}: {where}", *_installs(world, names[0]))
    if len(alike) > _SHOWN:
        yield fail("further parts differ", "dtrain plugins list   # on each host")


def _origin(entry: list[str | None] | None) -> str:
    if entry is None:
        return "missing"
    plugin, distribution, version = entry
    return f"{distribution or plugin} {version or ''}".strip()


def _installs(world: World, name: str) -> Iterator[str]:
    """What to install where: the first host that has the part is right."""
    hosts = list(world.answering("software"))
    having = next(found["parts"][name] for _, found in hosts if name in found["parts"])
    for host, found in hosts:
        if found["parts"].get(name) != having:
            yield world.on(
                host, f"{found['executable']} -m pip install {having[1] or having[0]}=={having[2]}"
            )


def _all(found: Facts, hosts: int) -> str:
    plugins = {tuple(entry) for entry in found["parts"].values()}
    text = (
        f"Python {found['python']}, NumPy {found['numpy']}, dtrain {found['dtrain']}, "
        f"{counted(len(found['parts']), 'part')} of {counted(len(plugins), 'plugin')}"
    )
    return text if hosts == 1 else f"{text}: the same on all {hosts} hosts"
