"""`dtrain plugins`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

from dtrain.registry import Entry, Registry


def plugins(options: argparse.Namespace) -> int:
    """Prints what is installed; returns the exit code."""
    table = Registry.load().table()
    if options.json:
        print(json.dumps([entry.as_dict() for entry in table], indent=2))
    else:
        print(_columns(table))
    return 0


def _columns(table: Sequence[Entry]) -> str:
    head = ("KIND", "NAME", "PLUGIN", "DISTRIBUTION", "VERSION", "REPLACES")
    rows = [
        head,
        *((*map(_text, (e.kind, e.name, e.plugin, e.distribution, e.version, e.replaces)),) for e in table),
    ]
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def _text(value: str | None) -> str:
    return "-" if value is None else value
