"""`dtrain plugins check`."""

from __future__ import annotations

from collections import Counter
from itertools import groupby
from typing import TYPE_CHECKING

from dtrain.registry import Registry

from .plugins_text import columns, paragraph

if TYPE_CHECKING:
    from dtrain.testing import Outcome

_STATUSES = ("passed", "failed", "expected", "advice", "skipped")
_WORDS = {
    "failed": "failed",
    "expected": "fails, as its author announced",
    "advice": "right, and could be faster",
    "skipped": "skipped",
}


def print_checks(name: str, verbose: bool) -> int:
    """Runs the conformance checks over all that a plugin offers; returns 1 when one failed, else 0."""
    registry = Registry.load_preferring(name)
    parts = [(entry.kind, entry.name) for entry in registry.table() if entry.plugin == name]
    from dtrain.testing import run

    width = max((len(f"{kind}.{part}") for kind, part in parts), default=4)
    print(_row("PART", width, *map(str.upper, _STATUSES)), flush=True)
    outcomes: list[Outcome] = []
    for (kind, part), group in groupby(
        run(parts, registry=registry), key=lambda found: (found.kind, found.name)
    ):
        mine = list(group)
        counts = Counter[str](outcome.status for outcome in mine)
        print(
            _row(f"{kind}.{part}", width, *(str(counts[status] or "-") for status in _STATUSES)), flush=True
        )
        outcomes += mine
    _explain(outcomes, verbose)
    return _sum_up(outcomes)


def _row(part: str, width: int, *cells: str) -> str:
    return "  ".join(
        [part.ljust(width), *(cell.rjust(len(head)) for cell, head in zip(cells, _STATUSES, strict=True))]
    )


def _explain(outcomes: list[Outcome], verbose: bool) -> None:
    if verbose:
        rows = [(f"{o.kind}.{o.name}", o.status, o.check) for o in outcomes]
        print(f"\n{columns([('PART', 'RESULT', 'CHECK'), *rows])}")
    for status in ("skipped", "advice", "expected", "failed"):  # what matters most is read last
        if verbose or status != "advice":
            _reasons(status, [outcome for outcome in outcomes if outcome.status == status])


def _reasons(status: str, outcomes: list[Outcome]) -> None:
    """Prints each reason once, under all checks of a part that have it."""
    alike: dict[tuple[str, str], list[str]] = {}
    for outcome in outcomes:
        alike.setdefault((f"{outcome.kind}.{outcome.name}", _what(outcome)), []).append(outcome.check)
    for (part, what), names in alike.items():
        head = f"{part}, {', '.join(names)}: {_WORDS[status]}"
        print(f"\n{paragraph(head, indent='')}")
        print(paragraph(what))


def _what(outcome: Outcome) -> str:
    """Returns the message without the part and the check, which stand above it."""
    return outcome.message.split(f": {outcome.check.split('[')[0]}: ", 1)[-1]


def _sum_up(outcomes: list[Outcome]) -> int:
    counts = Counter(outcome.status for outcome in outcomes)
    advice = f"; {counts['advice']} could be faster, --verbose says where" if counts["advice"] else ""
    print(f"\n{counts['passed']} checks passed, {counts['failed']} failed{advice}")
    return int(counts["failed"] > 0)
