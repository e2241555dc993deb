"""Finds and loads plugins: each one fully, or an error that names it."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from dtrain.errors import PluginError, did_you_mean, listed

from .cause import cause
from .installed import Found, installed
from .plugin import Plugin

Extra = Iterable[tuple[str, object]]
"""Plugins given explicitly: names and objects (modules, classes or instances with hooks)."""


def discover(block: Collection[str] = (), extra: Extra = ()) -> list[Plugin]:
    """Returns all plugins but the blocked ones, sorted by name.

    A blocked plugin is not even imported, so that a broken one can be blocked.
    Raises PluginError when one cannot be loaded, when a name is taken twice, or when there is none at all.
    """
    points, extra = _unique(installed()), list(extra)
    if not points and not extra:
        raise PluginError(
            "no plugin is installed, not even dtrain's own parts: "
            "install them with `pip install --force-reinstall dtrain`"
        )
    _check_block(block, [*points, *(name for name, _ in extra)])
    plugins = {name: _load(point) for name, point in points.items() if name not in block}
    for name, value in extra:
        if name not in block:
            _add(plugins, Plugin(name, value=value))
    return [plugins[name] for name in sorted(plugins)]


def _unique(points: Iterable[Found]) -> dict[str, Found]:
    unique: dict[str, Found] = {}
    for found in sorted(points, key=lambda one: (one.point.name, one.point.value, str(_plugin(one)))):
        first = unique.setdefault(found.point.name, found)
        # An editable install and a wheel of one distribution are one plugin, seen twice on sys.path.
        if (first.point.value, first.distribution) != (found.point.value, found.distribution):
            raise PluginError(_taken(found.point.name, _plugin(first), _plugin(found)))
    return unique


def _plugin(found: Found, value: object = None) -> Plugin:
    return Plugin(found.point.name, found.distribution, found.version, value)


def _taken(name: str, *holders: Plugin) -> str:
    first, second = holders
    return (
        f"the plugin name {name!r} is taken twice, by {first} and by {second}; "
        "uninstall one of them, or rename its entry point"
    )


def _check_block(block: Collection[str], names: list[str]) -> None:
    """Refuses what looks like a typing error; blocking what is not installed is no mistake."""
    for name in block:
        hint = "" if name in names else did_you_mean(name, names)
        if hint:
            raise PluginError(
                f"[plugins] block: no plugin {name!r} is installed{hint}; installed: {listed(names)}"
            )


def _load(found: Found) -> Plugin:
    point = found.point
    try:
        return _plugin(found, point.load())
    except (Exception, SystemExit) as error:  # a module that is a script may end in sys.exit()
        raise PluginError(
            f"{_plugin(found)} cannot be loaded from {point.value!r}: {cause(error)}; "
            f'repair or uninstall it, or skip it with [plugins] block = ["{point.name}"]'
        ) from error


def _add(plugins: dict[str, Plugin], plugin: Plugin) -> None:
    first = plugins.setdefault(plugin.name, plugin)
    if first.value is not plugin.value:
        raise PluginError(_taken(plugin.name, first, plugin))
