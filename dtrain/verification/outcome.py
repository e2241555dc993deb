"""What a verification found: for programs, and as a table for people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

from dtrain.trainer.difference import Size

from .recording import Place


@dataclass(frozen=True)
class Difference:
    """Where a number of ranks begins to differ from the first one.

    place: the step and epoch. tensor: its name, such as `value/dense_1.weight`. title: what it is, with its layer
    and the plugin of that. rank: that has it so. size: None where no two arrays could be compared. others: how many
    more tensors differ there. origin: what is different first in the course of the step; "" where nothing was seen.
    """

    place: Place
    tensor: str
    title: str
    rank: int
    size: Size | None
    others: int
    origin: str
    hint: str


@dataclass(frozen=True)
class Outcome:
    """One number of ranks, compared with the first. difference: None where every bit is the same."""

    ranks: int
    difference: Difference | None


@dataclass(frozen=True)
class Verification:
    """What a verification found. reference: the number of ranks with which all others are compared.

    steps: global batches trained on. tolerance: for `shards = "ranks"`: the largest difference that is accepted, by
    the largest number of a tensor.
    """

    name: str
    reference: int
    outcomes: tuple[Outcome, ...]
    steps: int
    shards: int | Literal["ranks"]
    processes: bool
    private: bool
    tolerance: float | None = None

    @property
    def equal(self) -> bool:
        """Whether every number of ranks gave the same bits."""
        return not any(outcome.difference for outcome in self.outcomes)

    @property
    def passed(self) -> bool:
        """Whether they are equal, or within the tolerance."""
        return all(self._passes(outcome) for outcome in self.outcomes)

    def _passes(self, outcome: Outcome) -> bool:
        size = outcome.difference.size if outcome.difference else None
        near = self.tolerance is not None and size is not None and size.relative <= self.tolerance
        return outcome.difference is None or near

    def as_dict(self) -> dict[str, Any]:
        """Returns all of it as JSON values."""
        return asdict(self) | {"equal": self.equal, "passed": self.passed}

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        where = "processes" if self.processes else "threads"
        memory = "memory of their own" if self.private else "shared memory"
        shards = "one shard a rank" if self.shards == "ranks" else f"{self.shards} shards"
        yield f"{self.name}: {self.steps} step{'s' * (self.steps != 1)}, {shards}, ranks are {where} with {memory}"
        yield ""
        yield "ranks  result"
        yield f"{self.reference:>5}  the reference"
        for outcome in self.outcomes:
            yield f"{outcome.ranks:>5}  {self._result(outcome)}"
        found = [outcome for outcome in self.outcomes if outcome.difference is not None]
        for outcome in found:
            assert outcome.difference is not None
            yield ""
            yield from _told(outcome.ranks, outcome.difference)
        for hint in dict.fromkeys(outcome.difference.hint for outcome in found if outcome.difference):
            yield ""
            yield f"hint: {hint}"

    def _result(self, outcome: Outcome) -> str:
        found = outcome.difference
        if found is None:
            return "equal, every bit"
        if self.shards != "ranks":
            return f"different {_when(found.place, since=True)}"
        size = "" if found.size is None else f" by up to {found.size.relative:.3g}"
        if self.tolerance is None:
            return f"different{size}; give a --tolerance to accept that"
        return f"{'within' if self._passes(outcome) else 'beyond'} the tolerance of {self.tolerance:g}:{size}"


def _told(ranks: int, found: Difference) -> Iterator[str]:
    yield f"{ranks} rank{'s' * (ranks != 1)}, {_when(found.place)}: {found.title}"
    where = f" on rank {found.rank}" if found.rank else ""
    others = (
        f"; {found.others} more tensor{'s' * (found.others != 1)} {_DIFFER[found.others == 1]}"
        if found.others
        else ""
    )
    if found.size is not None:
        yield f"  differs{where} in {found.size}{others}"
    if found.origin:
        yield f"  begins with {found.origin}"


_DIFFER = {True: "differs", False: "differ"}


def _when(place: Place, *, since: bool = False) -> str:
    """Returns a place in words."""
    if place.over:
        return "after the last step, when callbacks and fits were done"
    if not place.step:
        return "before the first step" if not since else "from before the first step"
    return f"{'from ' * since}step {place.step} (epoch {place.epoch})"
