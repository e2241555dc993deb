"""A part whose options are checked, before it is built."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, time
from enum import Enum
from pathlib import Path, PurePath
from typing import Any

from dtrain.contracts import KINDS
from dtrain.errors import ConfigError, DataError, PluginError, UserError
from dtrain.wording import shown

from .cause import cause, one_line
from .kinds import kind_of, noun
from .offers import Factory
from .table import Entry


@dataclass(frozen=True)
class Bound:
    """A factory and all its options, defaults included. `build` may be called any number of times."""

    entry: Entry
    factory: Factory = field(repr=False)
    options: Mapping[str, Any]
    defaults: frozenset[str]
    """The options that were not given."""
    where: str
    extra: Mapping[str, Any] = field(default_factory=dict)
    """What the engine, not the part, has to know of a layer inside a container: `id`, `inputs`."""

    owners: dict[type, Entry] = field(default_factory=dict, repr=False)
    """The registry's: what a function makes is known by its class only once it is made."""

    @property
    def kind(self) -> str:
        return self.entry.kind

    @property
    def name(self) -> str:
        return self.entry.name

    def __str__(self) -> str:
        return self.entry.title

    def build(self) -> Any:
        """Calls the factory; parts among the options are built first.

        Raises ConfigError for a ValueError of the factory: the user's mistake. Any other exception goes on
        its way with a note that names part and plugin.
        """
        options = {name: _built(value) for name, value in self.options.items()}
        try:
            part = self.factory(**options)
        except UserError as error:
            if isinstance(error, DataError) and (hint := self._another_path(str(error))):
                raise DataError(f"{error}{hint}") from error
            raise
        except ValueError as error:
            message = one_line(error) or cause(error)
            raise ConfigError(f"{self.where}: {noun(self.kind)} {self.name!r}: {message}") from error
        except Exception as error:
            error.add_note(f"while building {self}")
            raise
        return self._checked(part)

    def _another_path(self, message: str) -> str:
        """Returns how to give another path where a message is about one that is not there, or about what is in it."""
        for name, value in self.options.items():
            if isinstance(value, Path) and str(value) in message and not value.is_file():
                what = "FILE" if value.suffix else "FOLDER"
                return f", or give another: --set {_key_of(self.where)}.{name}={what}"
        return ""

    def _checked(self, part: Any) -> Any:
        contract = KINDS[self.kind]
        if not isinstance(part, contract):
            raise PluginError(
                f"{self}: its factory must return an instance of {contract.__name__}, "
                f"got {type(part).__name__}"
            )
        for name, value in self.extra.items():
            setattr(part, name, value)
        self.owners.setdefault(type(part), self.entry)
        return part

    def resolved(self) -> dict[str, Any]:
        """Returns the part as a table of the config: its name and all options, those that are None left out.

        Raises ConfigError for a given option that no config can hold, such as an instance of a part.
        """
        table: dict[str, Any] = {"name": self.name}
        for name, value in self.options.items():
            try:
                table[name] = _plain(value)
            except TypeError as error:
                if name not in self.defaults:  # the same default comes back by itself
                    raise ConfigError(
                        f"{self.where} {name}: expected a value that a config can hold, so that the run can "
                        f"be repeated, got {_description(value)}"
                    ) from error
        table |= {name: _plain(value) for name, value in self.extra.items()}
        return {name: value for name, value in table.items() if value is not None}


def _key_of(where: str) -> str:
    """Returns the key of a place as `--set` takes it: `data.transform.0` of `run.toml: [[data.transform]] #1`."""
    place = where.rpartition(": ")[2].replace("]", "").replace("[", "")
    number = re.compile(r"#(\d+)")
    return ".".join(
        str(int(found[1]) - 1) if (found := number.fullmatch(word)) else word
        for word in re.findall(r"[^\s,]+", place)
    )


def _built(value: Any) -> Any:
    if isinstance(value, Bound):
        return value.build()
    if type(value) in (list, tuple):
        return type(value)(map(_built, value))
    if type(value) is dict:
        return {name: _built(item) for name, item in value.items()}
    return value


def _plain(value: Any) -> Any:
    """Returns a value as TOML can hold it; raises TypeError for one that it cannot."""
    if isinstance(value, Bound):
        return value.resolved()
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, Enum):
        return _plain(value.value)
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        items = {str(name): _plain(item) for name, item in value.items()}
        return {name: item for name, item in items.items() if item is not None}
    if value is None or isinstance(value, (bool, int, float, str, date, time)):
        return value
    raise TypeError(type(value).__name__)


def _description(value: object) -> str:
    kind = kind_of(type(value))
    return f"an instance of {type(value).__name__}" if kind else shown(value)
