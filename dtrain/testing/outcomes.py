"""`run`: the checks of installed parts, and what came of them, for `dtrain plugins check`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Literal

from dtrain.registry import Registry

from .exercise import exercise
from .public import Check, checks
from .subject import installed
from .table import ADVICE

if TYPE_CHECKING:
    from dtrain.communicator.protocol import Communicator

Status = Literal["passed", "failed", "expected", "advice", "skipped"]


@dataclass(frozen=True)
class Outcome:
    """What came of one check. message: empty for a pass; else what is wrong, why it is expected, or skipped.

    status: "expected" is a failure that the part announced; "advice" costs speed, not correctness.
    """

    kind: str
    name: str
    check: str
    status: Status
    message: str = ""


def run(
    parts: Iterable[tuple[str, str]],
    *,
    registry: Registry | None = None,
    communicator: Communicator | None = None,
) -> Iterator[Outcome]:
    """Yields the outcome of every check of installed parts, given as (kind, name), as they are done.

    A part without examples is skipped: its options are not known.

    >>> {outcome.status for outcome in run([("activations", "tanh"), ("optimizers", "adam")])}
    {'passed'}
    """
    known = registry or installed()
    for kind, name in parts:
        try:
            found = [
                check
                for _, check in checks(kind, name, advice=True, registry=known, communicator=communicator)
            ]
        except Exception as error:
            yield Outcome(kind, name, "examples", "failed", f"{type(error).__name__}: {error}")
            continue
        if not found:
            declared = getattr(known.factory(kind, name), "examples", None)
            yield Outcome(
                kind, name, "examples", "skipped", "nothing to check" if declared else "no examples"
            )
        for _, of_one_example in groupby(found, lambda check: check.text):
            yield from _outcomes(list(of_one_example))


def _outcomes(found: list[Check]) -> Iterator[Outcome]:
    """Yields what comes of the checks of one example; of none, where the example does not fit the part."""
    first = found[0]
    fails = Check("examples", "examples", first.subject, exercise, None, first.text).failure()
    if fails is None:
        yield from map(_outcome, found)
        return
    message = f"{fails}; say in its examples what the part takes: `input` and the other keys of its contract"
    id = f"examples[{first.text}]" if "[" in first.id else "examples"
    yield Outcome(first.subject.kind, first.subject.name, id, "failed", message)


def _outcome(check: Check) -> Outcome:
    kind, name, failure = check.subject.kind, check.subject.name, check.failure()
    if check.reason is not None:
        if failure is not None:
            return Outcome(kind, name, check.id, "expected", check.reason)
        message = f"expected to fail ({check.reason}), but passes"
        return Outcome(kind, name, check.id, "failed", message)
    if failure is None:
        return Outcome(kind, name, check.id, "passed")
    only_slow = check.name in ADVICE and failure.__cause__ is None
    return Outcome(kind, name, check.id, "advice" if only_slow else "failed", str(failure))
