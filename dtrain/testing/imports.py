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


def check_no_mpi(subject: Subject) -> None:
    """Neither the part's module, nor the modules of its package that it uses, nor any of its calls import mpi4py."""
    for module in modules_of(subject):
        line = _import_in(module)
        if line is not None:
            raise Failure(f"{module.__name__}, line {line}: the module imports mpi4py; {_ADVICE}")
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


def modules_of(subject: Subject) -> list[ModuleType]:
    """Returns a part's module, and those of its own top-level package that its names come from."""
    module = inspect.getmodule(subject.bound.factory)
    if module is None or module.__name__.split(".")[0] == "dtrain":
        return []
    return list(_used(module, set()))


def _used(module: ModuleType, seen: set[str]) -> Iterator[ModuleType]:
    seen.add(module.__name__)
    yield module
    top = module.__name__.split(".")[0]
    for value in list(vars(module).values()):
        name = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
        if isinstance(name, str) and name not in seen and name.split(".")[0] == top and name in sys.modules:
            yield from _used(sys.modules[name], seen)


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
