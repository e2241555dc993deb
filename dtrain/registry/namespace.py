"""The names that an annotation may use."""

from __future__ import annotations

import collections.abc
import pathlib
import typing
from typing import Any

from dtrain import contracts, types


def namespace(function: object) -> dict[str, Any]:
    """Returns the globals of a function, on top of what plugins import for type checkers only."""
    known: dict[str, Any] = {}
    for module in (typing, collections.abc, pathlib, types, contracts):
        known |= {name: getattr(module, name) for name in _public(module)}
    return known | {"Any": Any} | getattr(function, "__globals__", {})


def _public(module: Any) -> list[str]:
    return getattr(module, "__all__", None) or [name for name in vars(module) if not name.startswith("_")]
