"""`run`: the checks of installed parts, and what came of them, for `dtrain plugins check`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from dtrain.registry import Registry

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
            found = list(checks(kind, name, advice=True, registry=known, communicator=communicator))
        except Exception as error:
            yield Outcome(kind, name, "examples", "failed", f"{type(error).__name__}: {error}")
            continue
        if not found:
            why = (
                "no examples"
                if not getattr(known.factory(kind, name), "examples", None)
                else "nothing to check"
            )
            yield Outcome(kind, name, "examples", "skipped", why)
        yield from (_outcome(kind, name, check) for _, check in found)


def _outcome(kind: str, name: str, check: Check) -> Outcome:
    failure = check.failure()
    if check.reason is not None:
        if failure is not None:
            return Outcome(kind, name, check.id, "expected", check.reason)
        message = f"expected to fail ({check.reason}), but passes"
        return Outcome(kind, name, check.id, "failed", message)
    if failure is None:
        return Outcome(kind, name, check.id, "passed")
    return Outcome(kind, name, check.id, "advice" if check.name in ADVICE else "failed", str(failure))
