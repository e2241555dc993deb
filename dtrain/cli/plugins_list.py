"""`dtrain plugins list`."""

from __future__ import annotations

import json

from dtrain.registry import Registry

from .plugins_text import columns

_HEAD = ("KIND", "NAME", "PLUGIN", "DISTRIBUTION", "VERSION", "REPLACES")


def print_list(as_json: bool) -> int:
    """Prints every part and where it comes from; returns the exit code."""
    table = [entry.as_dict() for entry in Registry.load().table()]
    if as_json:
        print(json.dumps(table, indent=2))
    else:
        print(columns([_HEAD, *([row[name.lower()] for name in _HEAD] for row in table)]))
    return 0
