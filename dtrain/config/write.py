"""Writes tables as TOML in the layout that people write: `[train]`, and `[[network]]` for each layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tomli_w


def write(table: Mapping[str, Any], path: str = "") -> str:
    """Returns the table as TOML; path: the dotted key of the table. Raises TypeError for a foreign value."""
    text = tomli_w.dumps({key: value for key, value in table.items() if not _is_nested(value)})
    for key, value in table.items():
        if _is_nested(value):
            inner = f"{path}.{_spelled(key)}".lstrip(".")
            header = f"[[{inner}]]" if isinstance(value, list) else f"[{inner}]"
            tables = value if isinstance(value, list) else [value]
            text += "".join(f"\n{header}\n{write(one, inner)}" for one in tables)
    return text


def _is_nested(value: object) -> bool:
    """Tells whether a value needs a header of its own. tomli_w would write short ones into one line."""
    if isinstance(value, list):
        return bool(value) and all(isinstance(item, Mapping) for item in value)
    return isinstance(value, Mapping)


def _spelled(key: str) -> str:
    """Returns a key, quoted where it has to be."""
    return tomli_w.dumps({key: 0}).removesuffix(" = 0\n")
