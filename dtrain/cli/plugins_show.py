"""`dtrain plugins show`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from dtrain.errors import ConfigError, did_you_mean
from dtrain.registry import Entry, Registry
from dtrain.registry.signature import REQUIRED, Option, signature_of
from dtrain.registry.words import expected
from dtrain.wording import shown

from .plugins_text import columns, paragraph


def print_part(path: str) -> int:
    """Prints all about one part, `optimizers.adam`; returns the exit code."""
    registry = Registry.load()
    kind, name = _parsed(path, registry)
    entry, factory = registry.find(kind, name, "plugins show")
    print(f"{entry.kind}.{entry.name}\n")
    print(paragraph(inspect.cleandoc(factory.__doc__ or "(no docstring)")), end="\n\n")
    print(_options(entry, factory), end="\n\n")
    print(columns(_origin(entry, factory)))
    return 0


def _parsed(path: str, registry: Registry) -> tuple[str, str]:
    kind, _, name = path.partition(".")
    if not name:
        known = [f"{entry.kind}.{entry.name}" for entry in registry.table()]
        same = [full for full in known if full.endswith(f".{path}")]
        hint = f"; did you mean {' or '.join(map(repr, same))}?" if same else did_you_mean(path, known)
        raise ConfigError(f"plugins show: expected KIND.NAME, such as 'optimizers.adam', got {path!r}{hint}")
    return kind, name


def _options(entry: Entry, factory: Callable[..., object]) -> str:
    signature = signature_of(factory, entry.title)
    rows = [_option(name, option) for name, option in signature.options.items()]
    if signature.rest is not None:
        rows.append(("further ones", "-", _type(signature.rest)))
    return columns([("OPTION", "DEFAULT", "TYPE"), *rows]) if rows else "it takes no options"


def _option(name: str, option: Option) -> tuple[str, str, str]:
    return name, "required" if option.default is REQUIRED else shown(option.default), _type(option)


def _type(option: Option) -> str:
    return "anything" if option.annotation in (object, Any) else expected(option.annotation)


def _origin(entry: Entry, factory: Callable[..., object]) -> list[tuple[str, str | None]]:
    made = getattr(factory, "func", factory)  # of a functools.partial
    distribution = None if entry.distribution is None else f"{entry.distribution} {entry.version}"
    return [
        ("made by", f"{made.__module__}.{made.__qualname__}"),
        ("file", _file(made)),
        ("plugin", entry.plugin),
        ("distribution", distribution),
        ("replaces", entry.replaces),
    ]


def _file(made: Callable[..., object]) -> str | None:
    try:
        return f"{inspect.getsourcefile(made)}:{inspect.getsourcelines(made)[1]}"
    except (OSError, TypeError):  # made in a session, or compiled
        return None
