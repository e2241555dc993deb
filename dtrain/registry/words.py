"""Values and annotations in the words of a message."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from dtrain.options import Range
from dtrain.wording import shown

from .kinds import a, kind_of, noun

_WORDS: dict[Any, tuple[str, str]] = {
    int: ("a whole number", "whole numbers"),
    float: ("a number", "numbers"),
    str: ("a string", "strings"),
    bool: ("true or false", "true or false"),
    list: ("a list", "lists"),
    tuple: ("a list", "lists"),
    dict: ("a table", "tables"),
    type(None): ("nothing", "nothing"),
}


def expected(annotation: Any, plural: bool = False) -> str:
    """Returns what an annotation asks for: `list[float]` is "a list of numbers"."""
    if annotation in _WORDS:
        return _WORDS[annotation][plural]
    if isinstance(annotation, type) and issubclass(annotation, PurePath):
        return "paths" if plural else "a path"
    if kind := kind_of(annotation):
        word = noun(kind)
        return f"names or tables of {kind}" if plural else f"the name or the table of {a(word)}"
    return _generic(annotation, plural)


def _generic(annotation: Any, plural: bool) -> str:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _constrained(annotation, plural)
    if origin is typing.Literal:
        return " or ".join(shown(choice) for choice in arguments)
    if origin in (typing.Union, types.UnionType):
        # `Initializer | str`: a string is already the name of a part
        named = any(kind_of(member) for member in arguments)
        members = [
            member for member in arguments if not (named and member is str) and member is not type(None)
        ]
        return " or ".join(expected(member, plural) for member in members)
    if origin is tuple and arguments[-1:] != (...,):
        return f"a list of {len(arguments)}: {', '.join(map(expected, arguments))}"
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return f"{'tables' if plural else 'a table'} of {expected(arguments[-1], plural=True)}"
    if origin is not None and arguments:
        return f"{'lists' if plural else 'a list'} of {expected(arguments[0], plural=True)}"
    return getattr(annotation, "__name__", str(annotation))


def _constrained(annotation: Any, plural: bool) -> str:
    """Returns the words for a Range, or msgspec's Meta: `Annotated[int, Range(ge=1)]` is "a whole number ≥ 1"."""
    inner, *extras = typing.get_args(annotation)
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
    bounds = [
        f"{sign} {getattr(extra, bound)}"
        for extra in extras
        for bound, sign in signs.items()
        if getattr(extra, bound, None) is not None
    ]
    if not bounds and any(isinstance(extra, Range) for extra in extras):
        return f"finite {expected(inner, plural=True)}" if plural else f"a finite {expected(inner)[2:]}"
    return " ".join([expected(inner, plural), " and ".join(bounds)]).rstrip()
