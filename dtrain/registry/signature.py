"""The options of a part: its factory's signature."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from dtrain.contracts.hints import hints_of
from dtrain.errors import PluginError
from dtrain.wording import shown

from .offers import Factory

_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
REQUIRED: Any = inspect.Parameter.empty


@dataclass(frozen=True)
class Option:
    """One option: its annotation (`Any` without one) and its default (REQUIRED without one)."""

    annotation: Any
    default: Any


@dataclass(frozen=True)
class Signature:
    """All options of a part, in the order of its signature; `rest` is what `**options` takes, or None."""

    options: Mapping[str, Option]
    rest: Option | None

    def takes(self, name: str) -> bool:
        """Tells whether there is an option of this name."""
        return name in self.options or self.rest is not None

    def option(self, name: str) -> Option:
        """Returns the option of this name, which the signature takes."""
        return self.options.get(name) or self.rest or Option(Any, REQUIRED)

    def missing(self, given: Mapping[str, object]) -> list[str]:
        """Returns the options that have no default and were not given."""
        return [
            name for name, option in self.options.items() if option.default is REQUIRED and name not in given
        ]

    def __str__(self) -> str:
        words = [
            name if option.default is REQUIRED else f"{name} = {shown(option.default)}"
            for name, option in self.options.items()
        ]
        return f"it takes {', '.join(words)}" if words else "it takes no options"


def signature_of(factory: Factory, who: str) -> Signature:
    """Returns the options of a factory. Raises PluginError when its annotations cannot be read.

    who: the part and its plugin, for the message.
    """
    made_by = factory.__init__ if isinstance(factory, type) else factory  # type: ignore[misc]
    try:
        return _signature_of(factory, made_by, who)
    except TypeError:  # a callable that cannot be hashed
        return _signature_of.__wrapped__(factory, made_by, who)


@lru_cache(maxsize=1024)
def _signature_of(factory: Factory, _: object, who: str) -> Signature:
    """_: the function whose options they are; a class with another `__init__` than before is read anew."""
    parameters = inspect.signature(factory).parameters.values()
    hints = _hints(factory, who)
    options: dict[str, Option] = {}
    rest: Option | None = None
    for parameter in parameters:
        option = Option(hints.get(parameter.name, Any), parameter.default)
        if parameter.kind in _NAMED:
            options[parameter.name] = option
        elif parameter.kind is inspect.Parameter.VAR_KEYWORD:
            rest = option
    return Signature(options, rest)


def _hints(factory: Factory, who: str) -> dict[str, Any]:
    function: Any = getattr(factory, "func", factory)  # of a functools.partial
    if isinstance(function, type):
        function = function.__init__  # type: ignore[misc]
    if not hasattr(function, "__annotations__"):  # object.__init__
        return {}
    try:
        return hints_of(function)
    except (NameError, TypeError) as error:
        raise PluginError(
            f"{who}: an option's annotation cannot be read: {error}; import what it names at run time, too"
        ) from error
