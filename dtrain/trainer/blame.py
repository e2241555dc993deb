"""Which part an exception came out of, whatever its kind."""

from __future__ import annotations

from traceback import walk_tb
from typing import TYPE_CHECKING

from dtrain.registry.kinds import noun

if TYPE_CHECKING:
    from dtrain.registry import Entry, Registry


def blame(error: BaseException, registry: Registry) -> None:
    """Adds a note that names the innermost part on the way of `error`, unless another note names it."""
    entry = _innermost(error, registry)
    if entry is None:
        return
    told = " ".join(getattr(error, "__notes__", ()))
    if f"{entry.name} from {entry.origin}" in told or f"{entry.name!r} from {entry.origin}" in told:
        return
    error.add_note(f"in the {noun(entry.kind)} {entry.name!r} from {entry.origin}")


def _innermost(error: BaseException, registry: Registry) -> Entry | None:
    found = None
    for frame, _ in walk_tb(error.__traceback__):
        owner = registry.owner(frame.f_locals.get("self"))
        found = owner if owner is not None else found
    return found
