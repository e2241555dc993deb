"""Tables as plain dicts and lists."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, time
from pathlib import PurePath
from typing import Any

from dtrain.errors import ConfigError
from dtrain.wording import shown

from .table import at

_SCALARS = (bool, int, float, str, date, time)


def copied(value: Any, source: str) -> Any:
    """Returns a copy with dicts for mappings and lists for tuples; anything else stays the same object.

    Raises ConfigError for a key that is not a string.
    """
    if isinstance(value, (list, tuple)):
        return [copied(item, source) for item in value]
    if not isinstance(value, Mapping):
        return value
    for key in value:
        if not isinstance(key, str):
            raise ConfigError(at(source, f"expected keys that are strings, got {shown(key)}"))
    return {key: copied(item, source) for key, item in value.items()}


def writable(value: Any) -> Any:
    """Returns a value for TOML: without what is None, and with paths as strings.

    Raises ConfigError for a value that TOML cannot hold.
    """
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, (list, tuple)):
        return [writable(item) for item in value if item is not None]
    if isinstance(value, Mapping):
        return {key: writable(item) for key, item in value.items() if item is not None}
    if not isinstance(value, _SCALARS):
        raise ConfigError(f"expected options that TOML can hold, got {shown(value)}")
    return value
