"""No part brings MPI along: it must run in a notebook, in a test and on a login node."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from .exercise import exercise
from .failure import Failure

if TYPE_CHECKING:
    from .subject import Subject

_ADVICE = "ranks meet in the context and nowhere else: take context.sum, context.max, context.moments"
_OURS = ("dtrain", "numpy")


def check_no_mpi(subject: Subject) -> None:
    """Neither the part's module, nor the modules of its package that it uses, nor any of its calls import mpi4py."""
    module = inspect.getmodule(subject.bound.factory)
    for used in _used(module, set()) if module is not None else ():
        line = _import_in(used)
        if line is not None:
            raise Failure(f"{used.__name__}, line {line}: the module imports mpi4py; {_ADVICE}")
    if subject.kind == "datasets":
        return
    gone: dict[str, Any] = {name: None for name in sys.modules if name.split(".")[0] == "mpi4py"}
    with patch.dict(sys.modules, gone | {"mpi4py": None}):
        try:
            exercise(subject)
        except ImportError as error:
            if "mpi4py" not in str(error):
                raise
            raise Failure(f"the part imports mpi4py when it is used; {_ADVICE}") from error


def _used(module: ModuleType, seen: set[str]) -> Iterator[ModuleType]:
    """Yields a module and those of its own distribution that its names come from."""
    seen.add(module.__name__)
    yield module
    top = module.__name__.split(".")[0]
    for value in list(vars(module).values()):
        name = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
        if (
            not isinstance(name, str)
            or name in seen
            or name.split(".")[0] in (*_OURS, *sys.stdlib_module_names)
        ):
            continue
        used = sys.modules.get(name)
        if name.split(".")[0] == "mpi4py":
            raise Failure(f"{module.__name__}: the module uses {name}; {_ADVICE}")
        if used is not None and name.split(".")[0] == top:
            yield from _used(used, seen)


def _import_in(module: ModuleType) -> int | None:
    """Returns the line of the first import of mpi4py in a module's source; None where there is no source."""
    try:
        tree = ast.parse(inspect.getsource(module))
    except (OSError, TypeError, SyntaxError):
        return None
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [node.module or ""]
        if any(name.split(".")[0] == "mpi4py" for name in names):
            return int(node.lineno)  # type: ignore[attr-defined]
    return None
