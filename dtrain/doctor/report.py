"""What the checks say of a world: as lines for people, as JSON for scripts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any, NamedTuple

from .checks import CHECKS
from .finding import Finding, Status, ok
from .wording import counted
from .world import World

ALIKE = 3
"""Lines of one check that all say ok."""


class Said(NamedTuple):
    """A finding, and the check it is from."""

    check: str
    finding: Finding


def judged(world: World) -> list[Said]:
    """All findings, in the order of the checks."""
    return [Said(check.name, finding) for check in CHECKS for finding in check.judge(world)]


def healthy(said: Iterable[Said]) -> bool:
    """Whether no check failed."""
    return all(one.finding.status != "fail" for one in said)


def lines(said: list[Said], seconds: float) -> Iterator[str]:
    """A line a finding, its remedy indented beneath; a sum at the end."""
    width = max(len(one.check) for one in said)
    for one in _folded(said):
        yield f"{one.finding.status:<4}  {one.check:<{width}}  {one.finding.text}"
        for remedy in one.finding.remedy:
            yield f"{'':<{width + 8}}→ {remedy}"
    yield _sum(said, seconds)


def _folded(said: Iterable[Said]) -> Iterator[Said]:
    """Of a check that is well on many hosts, the first lines and how many more."""
    for check, group in groupby(said, key=lambda one: one.check):
        findings = list(group)
        well = [one for one in findings if one.finding.status == "ok"]
        hidden = well[ALIKE:] if len(well) > ALIKE + 1 else []
        yield from (one for one in findings if one not in hidden)
        if hidden:
            yield Said(check, ok(f"and {len(hidden)} more like these"))


def _sum(said: list[Said], seconds: float) -> str:
    failed, warned = (sum(one.finding.status == status for one in said) for status in _BAD)
    if not failed and not warned:
        return f"all well ({seconds:.1f} s)"
    verdict = f"{failed} failed" if failed else "nothing failed"
    return f"{verdict}, {counted(warned, 'warning')} ({seconds:.1f} s)"


_BAD: tuple[Status, Status] = ("fail", "warn")


def as_dict(world: World, said: list[Said], seconds: float) -> dict[str, Any]:
    """The findings, and what each host told, as JSON values."""
    return {
        "ok": healthy(said),
        "seconds": round(seconds, 3),
        "findings": [
            {
                "check": one.check,
                "status": one.finding.status,
                "text": one.finding.text,
                "remedy": list(one.finding.remedy),
            }
            for one in said
        ],
        "hosts": [
            {
                "name": host.name,
                "ranks": host.ranks,
                "problem": host.problem,
                "facts": host.facts,
                "links": host.links,
            }
            for host in world.hosts
        ],
        "speed": None if world.job is None else world.job.speed,
    }
