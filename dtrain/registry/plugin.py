"""A plugin that was found: what it is called and where it came from."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Plugin:
    """An entry point's object, or one that was given explicitly (then without distribution and version)."""

    name: str
    distribution: str | None = None
    version: str | None = None
    value: object = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        return describe(self.name, self.distribution, self.version)


def describe(name: str, distribution: str | None, version: str | None) -> str:
    """Returns how messages call a plugin: `plugin 'acme' 1.2 (distribution acme-dtrain)`."""
    if distribution is None:
        return f"plugin {name!r} (given explicitly)"
    return f"plugin {name!r} {version} (distribution {distribution})"
