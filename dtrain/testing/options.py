"""A part's options come back from a config as they went in."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from dtrain.config.write import write
from dtrain.errors import ConfigError
from dtrain.registry import Bound

from .failure import Failure, differ

if TYPE_CHECKING:
    from .subject import Subject

_ADVICE = "annotate the option with its type, and let TOML's values (numbers, strings, lists, tables) say it"


def check_options(subject: Subject) -> None:
    """The resolved config of a run holds every option; read again, it makes the same part."""
    if subject.registry is None:  # made by a function that no config could name
        return
    try:
        table = subject.bound.resolved()
        text = write(table)
    except (ConfigError, TypeError) as error:
        raise Failure(f"options cannot be written to a config: {error}; {_ADVICE}") from error
    back = tomllib.loads(text)
    name = back.pop("name")
    try:
        again = subject.registry.bind(subject.kind, name, back, f"[{subject.kind}]")
    except ConfigError as error:
        raise Failure(f"options cannot be read back from the config: {error}; {_ADVICE}") from error
    for option, value in subject.bound.options.items():
        if not _same(value, again.options.get(option)):
            raise differ(
                f"option {option} from the config", repr(value), repr(again.options.get(option)), _ADVICE
            )
    again.build()


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, Bound) and isinstance(b, Bound):
        return a.factory is b.factory and _same(a.options, b.options)
    if isinstance(a, (list, tuple)) and type(a) is type(b):
        return len(a) == len(b) and all(map(_same, a, b))
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a)
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return type(a) is type(b) and np.array_equal(a, b)
    return type(a) is type(b) and bool(a == b)
