"""Binds the options of a config to the signatures of parts, before anything is called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol

from dtrain.errors import ConfigError
from dtrain.wording import shown

from .bound import Bound
from .kinds import noun
from .offers import Factory
from .signature import Option, Signature, signature_of
from .table import Entry
from .values import MismatchError, convert, special
from .words import expected

_ENGINE_KEYS = ("id", "inputs")


class Finder(Protocol):
    """What binding asks of the registry."""

    owners: dict[type, Entry]

    def find(self, kind: str, name: str, where: str) -> tuple[Entry, Factory]:
        """Returns a part's entry and factory; a layer may be an activation."""


class Binder:
    """Binds parts, and the parts among their options."""

    def __init__(self, finder: Finder) -> None:
        self._finder = finder

    def bind(
        self, kind: str, name: str, options: Mapping[str, Any], where: str, shared: Mapping[str, Any]
    ) -> Bound:
        """Returns the part with its options checked; see `Registry.bind`."""
        entry, factory = self._finder.find(kind, name, where)
        who = f"{noun(entry.kind)} {name!r} from {entry.origin}"
        signature = signature_of(factory, who)
        options = {key: value for key, value in shared.items() if key in signature.options} | dict(options)
        _check_names(signature, options, f"{where}: {who}")
        bound = Bound(
            entry,
            factory,
            {},
            frozenset(signature.options) - frozenset(options),
            where,
            {},
            self._finder.owners,
        )
        return replace(bound, options=self._values(signature, options, bound))

    def _values(self, signature: Signature, given: Mapping[str, Any], bound: Bound) -> dict[str, Any]:
        values = {
            name: self._default(option, f"{bound.where}, {name}")
            for name, option in signature.options.items()
            if name not in given
        }
        for name, value in given.items():
            values[name] = self._value(value, signature.option(name), name, bound)
        order = [*signature.options, *(name for name in given if name not in signature.options)]
        return {name: values[name] for name in order}

    def _default(self, option: Option, where: str) -> Any:
        """Returns a default, in which the name of a part and a relative path count as in a config."""
        if option.default is None or not special(option.annotation):
            return option.default
        try:
            return convert(option.default, option.annotation, where, self._part)
        except MismatchError:
            return option.default  # its author's business

    def _value(self, value: Any, option: Option, name: str, bound: Bound) -> Any:
        try:
            return convert(value, option.annotation, f"{bound.where}, {name}", self._part)
        except MismatchError as error:
            raise ConfigError(
                f"{bound.where} {name}: expected {expected(option.annotation)}, got {shown(value)}; "
                f"an option of {bound}"
            ) from error

    def _part(self, contract: Any, kind: str, value: Any, where: str) -> object:
        if isinstance(value, contract):
            return value
        if isinstance(value, str):
            return self.bind(kind, value, {}, where, {})
        options = dict(value)
        name = options.pop("name", None)
        if not isinstance(name, str):
            raise ConfigError(f"{where} name: expected the name of one of the {kind}, got {shown(name)}")
        extra = _engine_keys(options, where) if kind == "layers" else {}
        return replace(self.bind(kind, name, options, where, {}), extra=extra)


def _check_names(signature: Signature, options: Mapping[str, Any], who: str) -> None:
    for name in options:
        if not signature.takes(name):
            from dtrain.config.places import suggestion  # not at start-up: the registry alone reads no config

            raise ConfigError(
                f"{who} has no option {name!r}{suggestion(name, [*signature.options])}; {signature}"
            )
    missing = signature.missing(options)
    if missing:
        raise ConfigError(f"{who} needs the option {missing[0]!r}; {signature}")


def _engine_keys(options: dict[str, Any], where: str) -> dict[str, Any]:
    """Takes the keys of a layer in a container that are the engine's."""
    extra = {key: options.pop(key) for key in _ENGINE_KEYS if key in options}
    if "id" in extra and not (isinstance(extra["id"], str) and extra["id"]):
        raise ConfigError(f"{where} id: expected a string, got {shown(extra['id'])}")
    if "inputs" in extra:
        inputs = extra["inputs"]
        if not isinstance(inputs, (list, tuple)) or not all(isinstance(name, str) for name in inputs):
            raise ConfigError(f"{where} inputs: expected a list of ids, got {shown(inputs)}")
        extra["inputs"] = tuple(inputs)
    return extra
