"""`dtrain plugins check`."""

from __future__ import annotations

from collections import Counter
from itertools import groupby
from typing import TYPE_CHECKING

from dtrain.errors import ConfigError
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


def print_checks(name: str, verbose: bool, config: str | None = None) -> int:
    """Runs the conformance checks over all that a plugin offers; returns 1 when one failed, else 0.

    config: of a run, whose tables are further examples.
    """
    registry = Registry.load_preferring(name)
    parts = [(entry.kind, entry.name) for entry in registry.table() if entry.plugin == name]
    from dtrain.testing import examples_of, run

    examples = {} if config is None else examples_of(config, registry)
    if config is not None and not examples.keys() & set(parts):
        raise ConfigError(
            f"{config}: expected a part of the plugin {name!r} in it, got none; name one in its tables"
        )

    width = max((len(f"{kind}.{part}") for kind, part in parts), default=4)
    print(_row("PART", width, *map(str.upper, _STATUSES)), flush=True)
    outcomes: list[Outcome] = []
    for (kind, part), group in groupby(
        run(parts, registry=registry, examples=examples), key=lambda found: (found.kind, found.name)
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
    """Prints each reason once, under all checks of a part that have it, and below it what follows from it."""
    alike: dict[tuple[str, str], list[Outcome]] = {}
    for outcome in outcomes:
        if not outcome.follows:
            alike.setdefault((f"{outcome.kind}.{outcome.name}", _what(outcome)), []).append(outcome)
    for (part, what), found in alike.items():
        head = f"{part}, {', '.join(outcome.check for outcome in found)}: {_WORDS[status]}"
        print(f"\n{paragraph(head, indent='')}")
        print(paragraph(what))
        names = [o.check.split("[")[0] for o in outcomes for cause in found if _follows(o, cause)]
        if names:
            print(paragraph(f"these follow from it: {', '.join(dict.fromkeys(names))}"))


def _follows(outcome: Outcome, cause: Outcome) -> bool:
    return (outcome.kind, outcome.name, outcome.follows) == (cause.kind, cause.name, cause.check)


def _what(outcome: Outcome) -> str:
    """Returns the message without the part and the check, which stand above it."""
    return outcome.message.split(f": {outcome.check.split('[')[0]}: ", 1)[-1]


def _sum_up(outcomes: list[Outcome]) -> int:
    counts = Counter(outcome.status for outcome in outcomes)
    advice = f"; {counts['advice']} could be faster, --verbose says where" if counts["advice"] else ""
    print(f"\n{counts['passed']} checks passed, {counts['failed']} failed{advice}")
    return int(counts["failed"] > 0)
