"""Which plugin an error came from, found in its traceback: nothing is wrapped, so a step pays nothing for it."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import Protocol

from .table import Entry


class Owners(Protocol):
    """What blaming asks of the registry."""

    owners: dict[type, Entry]

    def owner(self, part: object) -> Entry | None:
        """Returns where a part, or its class, comes from."""


@contextmanager
def blaming(registry: Owners) -> Iterator[None]:
    """Adds a note to an error that leaves the block: which part of which plugin raised it."""
    try:
        yield
    except Exception as error:
        blame(error, registry)
        raise


def blame(error: BaseException, registry: Owners) -> None:
    """Adds the note, unless the error has one that names the part already."""
    found = _found(error, registry)
    if found is not None and not any(found[1] in note for note in getattr(error, "__notes__", ())):
        error.add_note(f"in {found[0]} of {found[1]}")


def _found(error: BaseException, registry: Owners) -> tuple[str, str] | None:
    """Returns the function that failed, and the part that it is of; or the plugin, where no part called it."""
    plugin: tuple[str, str] | None = None
    for frame in reversed([frame for frame, _ in traceback.walk_tb(error.__traceback__)]):
        name = _function(frame.f_code)
        if name == "__setattr__":  # an option out of its range: who sets it is to blame
            continue
        entry = registry.owner(frame.f_locals.get("self")) or _by_name(frame, registry)
        if entry is not None:
            return (name, entry.title) if plugin is None or plugin[1] == entry.origin else plugin
        if plugin is None and (origin := _origin(frame, registry)) is not None:
            plugin = name, origin
    return plugin


def _origin(frame: FrameType, registry: Owners) -> str | None:
    """Returns the plugin that has parts in this function's module."""
    module = frame.f_globals.get("__name__")
    origins = {entry.origin for cls, entry in registry.owners.items() if cls.__module__ == module}
    return origins.pop() if len(origins) == 1 else None


def _by_name(frame: FrameType, registry: Owners) -> Entry | None:
    """Returns the part of a function without `self`: the `backward` of `Swish.forward.<locals>.backward`."""
    cls = frame.f_globals.get(frame.f_code.co_qualname.split(".")[0])
    return registry.owner(cls) if isinstance(cls, type) else None


def _function(code: CodeType) -> str:
    named = [word for word in code.co_qualname.split(".") if not word.startswith("<")]
    return named[-1] if named else "a function"
