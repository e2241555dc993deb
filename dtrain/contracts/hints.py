"""The annotations of a function, whose names may be imported for type checkers only."""

from __future__ import annotations

import collections.abc
import inspect
import pathlib
import typing
from typing import Any

from dtrain import types


def hints_of(function: Any) -> dict[str, Any]:
    """Return the annotations of a function by name; raises NameError or TypeError for one that cannot be read."""
    return typing.get_type_hints(function, _namespace(inspect.unwrap(function)), include_extras=True)


def _namespace(function: object) -> dict[str, Any]:
    """Return the globals of a function, on top of what plugins import for type checkers only."""
    from dtrain import contracts  # which this module is part of

    known: dict[str, Any] = {}
    for module in (typing, collections.abc, pathlib, types, contracts):
        known |= {name: getattr(module, name) for name in _public(module)}
    return known | {"Any": Any} | getattr(function, "__globals__", {})


def _public(module: Any) -> list[str]:
    return getattr(module, "__all__", None) or [name for name in vars(module) if not name.startswith("_")]
