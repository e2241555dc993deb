"""Options that no example sets: whatever they do is not checked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dtrain.registry.signature import signature_of

from .subject import Factory


def untested(factory: Factory, examples: Iterable[Mapping[str, Any]]) -> list[str]:
    """Returns the options of a part that no example sets to anything but their default."""
    many = list(examples)
    return [
        name
        for name, option in signature_of(factory, "the part").options.items()
        if not any(name in one and one[name] != option.default for one in many)
    ]
