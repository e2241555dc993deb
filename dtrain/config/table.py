"""One table of a config, read key by key."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from dtrain.errors import ConfigError, listed
from dtrain.wording import shown

from .checks import Check, WrongValueError
from .places import suggestion

REQUIRED: Any = object()


class Table:
    """A table whose keys are taken one by one; what is left is unknown, or a part's options."""

    def __init__(self, value: Mapping[str, Any], place: str, source: str) -> None:
        """place: `[train]`, or nothing at the top level. source: what messages call the file, or nothing."""
        self._left = dict(value)
        self._known: list[str] = []
        self.place, self.source = place, source

    @property
    def where(self) -> str:
        """How messages call this table."""
        return at(self.source, self.place)

    def take(self, key: str, check: Check, default: Any = REQUIRED) -> Any:
        """Returns what the key holds, checked. None counts as absent, as TOML cannot say it."""
        self._known.append(key)
        value = self._left.pop(key, None)
        if value is None and default is not REQUIRED:
            return default
        try:
            return check.read(value)
        except WrongValueError:
            raise self.error(key, check.expected, value) from None

    def take_raw(self, key: str) -> Any:
        """Returns what the key holds, unchecked; None when it is absent."""
        self._known.append(key)
        return self._left.pop(key, None)

    def rest(self) -> dict[str, Any]:
        """Returns the keys that were not taken: a part's options."""
        return self._left

    def finish(self) -> None:
        """Raises ConfigError when a key is left."""
        self.check_known(self._known)

    def check_known(self, known: Collection[str]) -> None:
        """Raises ConfigError when one of the keys not yet taken is unknown."""
        for key in self._left:
            if key not in known:
                place = f"in {self.place}" if self.place else "at the top level"
                raise ConfigError(
                    f"{at(self.source, f'unknown key {key!r} {place}')}"
                    f"{suggestion(key, list(known), self.place)}; known: {listed(known)}"
                )

    def error(self, key: str, expected: str, value: object) -> ConfigError:
        """Returns the error for a key that holds the wrong thing."""
        place = f"{self.place} {key}".lstrip()
        return ConfigError(f"{at(self.source, place)}: expected {expected}, got {shown(value)}")


def at(source: str, place: str) -> str:
    """Returns how messages call a place in a file: `mnist.toml: [train]`."""
    return f"{source}: {place}" if source else place
