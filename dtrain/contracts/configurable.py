"""What has options: the ranges in their annotations hold for whoever builds it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any

from dtrain.options import check, numbers_in, ranged

from .hints import hints_of


class Configurable:
    """The base of every kind of part: `__init__` raises ValueError for an option outside its `Range`."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "__init__" in vars(cls):
            cls.__init__ = _checked(cls.__init__)  # type: ignore[method-assign]


def _checked(init: Callable[..., None]) -> Callable[..., None]:
    signature = inspect.signature(init)
    # Read when a first part is built, as annotations may name classes that are defined later.
    ranges: dict[str, Any] | None = None

    @wraps(init)
    def checked(self: Any, *arguments: Any, **options: Any) -> None:
        nonlocal ranges
        if ranges is None:
            ranges = {name: hint for name, hint in options_of(init).items() if ranged(hint)}
        given = signature.bind(self, *arguments, **options).arguments if ranges else {}
        for name, annotation in ranges.items():
            if name in given:
                check(name, given[name], annotation)
        init(self, *arguments, **options)

    return checked


def options_of(init: Any) -> dict[str, Any]:
    """Return the options of an `__init__` with their annotations; none where these cannot be read."""
    try:
        hints = hints_of(init) if hasattr(init, "__annotations__") else {}
    except (NameError, TypeError):  # the registry says so, naming plugin and part
        return {}
    return {name: hints[name] for name in _named(init) if name in hints} if hints else {}


def _named(init: Any) -> list[str]:
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [name for name, found in inspect.signature(init).parameters.items() if found.kind in kinds]


def number_options(part: type) -> dict[str, Any]:
    """Return the options of a class that are numbers, with their annotations, those of its bases included."""
    found: dict[str, Any] | None = vars(part).get("_numbers")
    if found is None:
        hints: dict[str, Any] = {}
        for cls in reversed(part.__mro__):
            hints |= options_of(vars(cls).get("__init__"))
        found = {name: hint for name, hint in hints.items() if numbers_in(hint)}
        type.__setattr__(part, "_numbers", found)
    return found
