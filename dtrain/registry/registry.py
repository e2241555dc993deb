"""Every part that is installed, by kind and name."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType
from typing import Any

from dtrain.contracts import KINDS
from dtrain.errors import ConfigError, PluginError, did_you_mean, listed

from .binding import Binder
from .bound import Bound
from .discovery import Extra, discover
from .kinds import a, noun
from .manager import manager_of
from .offers import Factory, Offer, offers_of
from .precedence import Key, choose
from .table import Entry


class Registry:
    """Parts by kind and name; made by `Registry.load`.

    Kinds are spelled as in the hooks: `layers`, `optimizers`, …; a kind `layers` finds activations, too.
    """

    def __init__(self, chosen: Mapping[Key, list[Offer]], recorded: Iterable[Mapping[str, Any]] = ()) -> None:
        self._factories: dict[Key, Factory] = {key: offers[0].factory for key, offers in chosen.items()}
        self._entries: dict[Key, Entry] = {key: _entry(offers) for key, offers in chosen.items()}
        self.rows = [self._entries[key].as_dict() for key in sorted(self._entries)]
        """The table as JSON values, not to be changed."""
        self.owners: dict[type, Entry] = {}
        for key, factory in reversed(self._factories.items()):
            if isinstance(factory, type):
                self.owners[factory] = self._entries[key]
        self._recorded = {(row["kind"], row["name"]): Entry.from_dict(row) for row in recorded}

    @classmethod
    def load(
        cls,
        prefer: Mapping[str, str] | None = None,
        block: Collection[str] = (),
        extra: Extra = (),
        recorded: Iterable[Mapping[str, Any]] = (),
    ) -> Registry:
        """Finds all plugins, calls their hooks and settles which provides what.

        prefer: `optimizers.adam` to the plugin to take it from. block: plugins to leave out.
        extra: further plugins, as (name, object).
        recorded: the table of an earlier run, `Entry.as_dict` of each: it tells what to install for a part
        that is missing here, or that another plugin would provide without being asked to by `prefer` or `block`.
        Raises PluginError for a plugin that is broken or in conflict, ConfigError for a wrong preference.
        """
        plugins = discover(block, extra)
        chosen = choose(offers_of(plugins, manager_of(plugins)), prefer or {})
        asked = set(prefer or ())
        kept = [
            row
            for row in recorded
            if f"{row['kind']}.{row['name']}" not in asked and row["plugin"] not in block
        ]
        return cls(chosen, kept)

    @classmethod
    def load_preferring(cls, plugin: str) -> Registry:
        """Finds all plugins and takes from this one whatever it offers, as for its checks.

        Raises PluginError when there is no such plugin, or one is broken.
        """
        plugins = discover()
        names = [found.name for found in plugins]
        if plugin not in names:
            raise PluginError(
                f"no plugin {plugin!r} is installed{did_you_mean(plugin, names)}; installed: {listed(names)}"
            )
        offers = offers_of(plugins, manager_of(plugins))
        prefer = {f"{o.kind}.{o.name}": plugin for o in offers if o.plugin.name == plugin}
        return cls(choose(offers, prefer))

    def table(self) -> list[Entry]:
        """Returns where every part comes from, sorted by kind and name."""
        return [self._entries[key] for key in sorted(self._entries)]

    def names(self, kind: str) -> list[str]:
        """Returns the names of all parts of a kind, sorted; `layers` without the activations."""
        return sorted(name for other, name in self._entries if other == kind)

    def factory(self, kind: str, name: str) -> Factory:
        """Returns the class or function that makes a part. Raises PluginError when there is none."""
        return self._factories[self._key(kind, name)]

    def entry(self, kind: str, name: str) -> Entry:
        """Returns where a part comes from. Raises PluginError when there is none."""
        return self._entries[self._key(kind, name)]

    def owner(self, part: object) -> Entry | None:
        """Returns where a part, or its class, comes from; a class derived from one that is known counts."""
        cls = part if isinstance(part, type) else type(part)
        return next((self.owners[base] for base in cls.__mro__ if base in self.owners), None)

    def bind(
        self,
        kind: str,
        name: str,
        options: Mapping[str, Any],
        where: str,
        shared: Mapping[str, Any] = MappingProxyType({}),
    ) -> Bound:
        """Returns a part with its options checked against its signature; nothing of the part is called yet.

        where: what messages begin with, such as `[optimizer]`. shared: further options, for a part that has them.
        Raises ConfigError for a part or an option that does not exist, is missing, or has a wrong value.
        """
        return Binder(self).bind(kind, name, options, where, shared)

    def find(self, kind: str, name: str, where: str) -> tuple[Entry, Factory]:
        """Returns a part's entry and factory. Raises ConfigError, which begins with `where`."""
        try:
            key = self._key(kind, name)
        except PluginError as error:
            raise ConfigError(f"{where}: {error}") from None
        self._check_recorded(self._entries[key], where)
        return self._entries[key], self._factories[key]

    def _check_recorded(self, entry: Entry, where: str) -> None:
        """Refuses a part of the same name from another plugin: the run would go on with other arithmetic."""
        before = self._recorded.get((entry.kind, entry.name))
        if before is not None and before.plugin != entry.plugin:
            raise PluginError(
                f"{where}: the run had the {noun(entry.kind)} {entry.name!r} from {before.origin}, here it "
                f"comes from {entry.origin}: {_install(before)}, or go on with this one by "
                f'[plugins] prefer = {{"{entry.kind}.{entry.name}" = "{entry.plugin}"}}'
            )

    def _key(self, kind: str, name: str) -> Key:
        if kind not in KINDS:
            raise PluginError(
                f"no kind of part is called {kind!r}{did_you_mean(kind, KINDS)}; kinds: {listed(KINDS)}"
            )
        kinds = ("layers", "activations") if kind == "layers" else (kind,)
        for candidate in kinds:
            if (candidate, name) in self._entries:
                return candidate, name
        names = [other for candidate in kinds for other in self.names(candidate)]
        hint = (
            self._to_install(kinds, name) or f"{self._meant(kinds, name, names)}; installed: {listed(names)}"
        )
        raise PluginError(f"no plugin provides the {noun(kind)} {name!r}{hint}")

    def _meant(self, kinds: tuple[str, ...], name: str, names: list[str]) -> str:
        """Returns which of the names may be meant, or the other kind that has a part of this very name."""
        aliases = {
            alias: other
            for (kind, other), factory in self._factories.items()
            if kind in kinds
            for alias in getattr(factory, "__dict__", {}).get("aliases", ())
        }
        others = [kind for kind, other in sorted(self._entries) if other == name]
        return did_you_mean(name, names, aliases) or "".join(
            f"; {name!r} is {a(noun(k))}" for k in others[:1]
        )

    def _to_install(self, kinds: tuple[str, ...], name: str) -> str:
        for kind in kinds:
            entry = self._recorded.get((kind, name))
            if entry is not None:
                return f"; the run had it from {entry.origin}: {_install(entry)}"
        return ""


def _install(entry: Entry) -> str:
    if entry.distribution is None:
        return "give that plugin again"
    return f"install it with `pip install {entry.distribution}=={entry.version}`"


def _entry(offers: list[Offer]) -> Entry:
    first, *rest = offers
    replaced = ", ".join(offer.plugin.name for offer in rest) or None
    plugin = first.plugin
    return Entry(first.kind, first.name, plugin.name, plugin.distribution, plugin.version, replaced)
