"""The table of all parts: what `dtrain plugins list` prints, a run folder keeps, and all ranks compare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dtrain.errors import PluginError
from dtrain.wording import ranks_in_words

from .kinds import noun
from .plugin import describe


@dataclass(frozen=True, order=True)
class Entry:
    """Where a part comes from."""

    kind: str
    name: str
    plugin: str
    distribution: str | None
    version: str | None
    replaces: str | None = None
    """The plugins whose part of this name gave way, joined by commas."""

    @property
    def origin(self) -> str:
        """How messages call the plugin."""
        return describe(self.plugin, self.distribution, self.version)

    @property
    def title(self) -> str:
        """How messages call the part: `layer 'swish' from plugin 'acme' 1.2 (distribution acme-dtrain)`."""
        return f"{noun(self.kind)} {self.name!r} from {self.origin}"

    def as_dict(self) -> dict[str, Any]:
        """Returns the entry as JSON values."""
        return dict(vars(self))

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> Entry:
        """Takes back what `as_dict` returned."""
        return cls(**row)


def compare(tables: Sequence[Sequence[Entry]]) -> None:
    """Checks that all ranks have the same parts; `tables[rank]` is that rank's table.

    Raises PluginError naming the first part that differs, and who has what.
    """
    by_rank = [{(entry.kind, entry.name): entry for entry in table} for table in tables]
    keys = sorted({key for rows in by_rank for key in rows})
    for kind, name in keys:
        holders: dict[str, list[int]] = {}
        for rank, rows in enumerate(by_rank):
            entry = rows.get((kind, name))
            holders.setdefault(entry.origin if entry else "missing", []).append(rank)
        if len(holders) > 1:
            differing = "; ".join(f"{origin} on {ranks_in_words(ranks)}" for origin, ranks in holders.items())
            raise PluginError(
                f"{kind}.{name} differs between ranks: {differing}; install the same plugins on every host"
            )
