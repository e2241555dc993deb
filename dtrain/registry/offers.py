"""Calls the hooks and checks what they return: every part that any plugin offers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import pluggy

from dtrain.contracts import KINDS
from dtrain.contracts.hints import hints_of
from dtrain.errors import PluginError

from .cause import cause
from .kinds import a, hook_of, noun
from .plugin import Plugin

Factory: TypeAlias = Callable[..., object]
"""A class of a contract, or a function that returns an instance of one."""

_SNAKE_CASE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_TRYLAST, _PLAIN, _TRYFIRST = range(3)


@dataclass(frozen=True)
class Offer:
    """A part that a plugin offers under a name."""

    kind: str
    name: str
    factory: Factory = field(repr=False)
    plugin: Plugin
    level: int
    """tryfirst > plain > trylast; a higher one replaces a lower one."""


def offers_of(plugins: Iterable[Plugin], manager: pluggy.PluginManager) -> list[Offer]:
    """Returns what all plugins offer, sorted, so that no order of loading is left in it."""
    by_name = {plugin.name: plugin for plugin in plugins}
    offers = [
        offer
        for kind in KINDS
        for impl in getattr(manager.hook, hook_of(kind)).get_hookimpls()
        for offer in _offers(kind, impl, by_name[impl.plugin_name])
    ]
    return sorted(offers, key=lambda offer: (offer.kind, offer.name, offer.plugin.name))


def _offers(kind: str, impl: pluggy.HookImpl, plugin: Plugin) -> list[Offer]:
    level = _TRYFIRST if impl.tryfirst else _TRYLAST if impl.trylast else _PLAIN
    parts = _call(kind, impl, plugin)
    for name, factory in parts.items():
        _check_name(kind, name, plugin)
        _check_factory(kind, name, factory, plugin)
    return [Offer(kind, name, factory, plugin, level) for name, factory in parts.items()]


def _call(kind: str, impl: pluggy.HookImpl, plugin: Plugin) -> Mapping[str, Factory]:
    try:
        parts = impl.function()
    except (Exception, SystemExit) as error:
        raise PluginError(
            f"{plugin} failed in its hook {hook_of(kind)}: {cause(error)}; "
            f'repair or uninstall it, or skip it with [plugins] block = ["{plugin.name}"]'
        ) from error
    if not isinstance(parts, Mapping):
        raise PluginError(
            f"{plugin}: its hook {hook_of(kind)} must return a mapping of names to classes, "
            f"got {type(parts).__name__}"
        )
    return parts


def _check_name(kind: str, name: object, plugin: Plugin) -> None:
    if not isinstance(name, str) or not _SNAKE_CASE.fullmatch(name):
        raise PluginError(
            f"{plugin}: the name of {a(noun(kind))} must be snake_case, such as 'leaky_relu', got {name!r}"
        )


def _check_factory(kind: str, name: str, factory: object, plugin: Plugin) -> None:
    contract = KINDS[kind]
    made = factory if isinstance(factory, type) else _returned(factory)
    if not (isinstance(made, type) and issubclass(made, contract)):
        raise PluginError(
            f"{plugin}: the {noun(kind)} {name!r} must be a subclass of {contract.__name__}, or a function "
            f"annotated to return one, got {factory!r}"
        )


def _returned(factory: object) -> Any:
    """Returns the annotated result of a function."""
    if not callable(factory):
        return None
    function = getattr(factory, "func", factory)  # of a functools.partial
    try:
        return hints_of(function).get("return")
    except (NameError, TypeError):
        return None
