"""Registers plugins with pluggy, and checks that every hook they mark is one that dtrain calls."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from types import ModuleType

import pluggy

from dtrain.contracts import KINDS
from dtrain.errors import PluginError, did_you_mean, listed

from . import hookspecs
from .cause import one_line
from .kinds import HOOK_PREFIX, hook_of
from .markers import PROJECT, hookspec
from .plugin import Plugin

HOOKS = tuple(hook_of(kind) for kind in KINDS)


_last: tuple[list[tuple[Plugin, dict[str, object]]], pluggy.PluginManager] | None = None


def manager_of(plugins: Iterable[Plugin]) -> pluggy.PluginManager:
    """Returns a manager that knows these plugins. Raises PluginError for one with hooks that do not fit.

    It is that of the last call where the plugins are the same modules, in which nothing has been replaced.
    """
    global _last
    plugins, last = list(plugins), _last
    if last is not None and len(last[0]) == len(plugins) and all(map(_unchanged, last[0], plugins)):
        return last[1]
    manager = _manager_of(plugins)
    if all(isinstance(plugin.value, ModuleType) for plugin in plugins):
        _last = [(plugin, dict(vars(plugin.value))) for plugin in plugins], manager
    return manager


def _unchanged(before: tuple[Plugin, dict[str, object]], now: Plugin) -> bool:
    plugin, held = before
    if plugin != now or plugin.value is not now.value:
        return False
    holds = vars(now.value)
    return holds.keys() == held.keys() and all(holds[name] is value for name, value in held.items())


def _manager_of(plugins: Iterable[Plugin]) -> pluggy.PluginManager:
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(hookspecs)
    for plugin in plugins:
        _check(plugin)
        _register(manager, plugin)
    return manager


def _register(manager: pluggy.PluginManager, plugin: Plugin) -> None:
    twin = manager.get_name(plugin.value)
    if twin is not None:
        raise PluginError(f"{plugin} is the same object as plugin {twin!r}; keep one of the two entry points")
    try:
        manager.register(plugin.value, plugin.name)
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        raise PluginError(f"{plugin} has a hook that does not fit: {one_line(error)}") from error
    callers = manager.get_hookcallers(plugin.value) or []
    impls = [impl for caller in callers for impl in caller.get_hookimpls() if impl.plugin is plugin.value]
    for impl in impls:
        if impl.wrapper or impl.hookwrapper:
            raise PluginError(
                f"{plugin} has a wrapper, {impl.function.__name__}: dtrain's hooks return parts and take none"
            )
    if not impls:
        raise PluginError(
            f"{plugin} has no hook; expected a function marked @hookimpl, one of: {listed(HOOKS)}"
        )


def _check(plugin: Plugin) -> None:
    """Finds mistyped and unmarked hooks, with a better word for them than pluggy has."""
    for name, value in _functions(plugin.value):
        marks = getattr(value, f"{PROJECT}_impl", None)
        hook = (marks or {}).get("specname") or name
        if marks is None and name in HOOKS:
            raise PluginError(f"{plugin}: {name} is not marked @hookimpl")
        if marks is not None and hook not in HOOKS and not marks.get("optionalhook"):
            raise PluginError(
                f"{plugin}: {hook} is marked @hookimpl but is no hook of dtrain"
                f"{did_you_mean(hook, HOOKS)}; hooks: {listed(HOOKS)}"
            )


def _functions(value: object) -> list[tuple[str, object]]:
    """Returns what may be a hook: marked functions, and unmarked ones named as dtrain's hooks are.

    dtrain's own specifications do not count, so that a module may import them.
    """
    found = ((name, inspect.getattr_static(value, name, None)) for name in dir(value))
    unwrapped = ((name, getattr(function, "__func__", function)) for name, function in found)
    return [
        (name, function)
        for name, function in unwrapped
        if inspect.isfunction(function)
        and (name.startswith(HOOK_PREFIX) or hasattr(function, f"{PROJECT}_impl"))
        and not hasattr(function, f"{hookspec.project_name}_spec")
    ]
