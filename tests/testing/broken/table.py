"""Which parts are wrong on purpose, and which checks must say so."""

from __future__ import annotations

BROKEN: list[tuple[str, type, set[str]]] = []
"""(kind, class, ids of the checks that must fail)."""


def broken(kind, *ids):
    """Notes the class below it: these checks must fail, and no others."""

    def note(part):
        BROKEN.append((kind, part, set(ids)))
        return part

    return note
