"""`run`: the checks of installed parts, and what came of them, for `dtrain plugins check`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any, Literal

from dtrain.errors import UserError, listed
from dtrain.registry import Registry

from .causes import causes as found_causes
from .contract import check_contract
from .public import Check, checks
from .subject import installed
from .table import ADVICE, FIRST
from .untested import untested

if TYPE_CHECKING:
    from dtrain.communicator.protocol import Communicator

Status = Literal["passed", "failed", "expected", "advice", "skipped"]


@dataclass(frozen=True)
class Outcome:
    """What came of one check. message: empty for a pass; else what is wrong, why it is expected, or skipped.

    status: "expected" is a failure that the part announced; "advice" costs speed, not correctness. follows: the
    check that failed before, where this one may have failed for no other reason.
    """

    kind: str
    name: str
    check: str
    status: Status
    message: str = ""
    follows: str = ""


def run(
    parts: Iterable[tuple[str, str]],
    *,
    registry: Registry | None = None,
    communicator: Communicator | None = None,
    examples: Mapping[tuple[str, str], Sequence[Mapping[str, Any]]] | None = None,
) -> Iterator[Outcome]:
    """Yields the outcome of every check of installed parts, given as (kind, name), part by part.

    examples: further ones by (kind, name), as `examples_of` finds in a config. A part without any, whose options
    are not known, is skipped; so are options that no example sets.

    >>> {outcome.status for outcome in run([("activations", "tanh"), ("optimizers", "adam")])}
    {'passed'}
    """
    known = registry or installed()
    for kind, name in parts:
        more = (examples or {}).get((kind, name), ())
        try:
            found = [
                check
                for _, check in checks(
                    kind, name, advice=True, registry=known, communicator=communicator, examples=more
                )
            ]
        except Exception as error:
            yield Outcome(kind, name, "examples", "failed", f"{type(error).__name__}: {error}")
            continue
        declared = [*(getattr(known.factory(kind, name), "examples", None) or ()), *more]
        for _, of_one_example in groupby(found, lambda check: check.text):
            yield from _outcomes(list(of_one_example))
        if not found:
            yield Outcome(kind, name, "examples", "skipped", "nothing to check" if declared else _NONE)
        elif left := untested(known.factory(kind, name), declared):
            yield Outcome(
                kind, name, "examples", "skipped", f"options that no example sets: {listed(left)}; {_ADD}"
            )


_NONE = "no examples: declare `examples`, or name a config whose tables give the options, --config FILE"
_ADD = "add an example with another value than the default"


def _outcomes(found: list[Check]) -> Iterator[Outcome]:
    """Yields what comes of the checks of one example; of none, where the example does not fit the part."""
    misfit = _misfit(found[0])
    if misfit is not None:
        yield misfit
        return
    outcomes = [_outcome(check) for check in found]
    ids = {check.name: check.id for check in found}
    failed = [
        check.name for check, outcome in zip(found, outcomes, strict=True) if outcome.status == "failed"
    ]
    causes = found_causes(failed)
    for check, outcome in zip(found, outcomes, strict=True):
        yield replace(outcome, follows=ids.get(causes.get(check.name, ""), ""))


def _misfit(first: Check) -> Outcome | None:
    """Returns what is wrong with an example whose values the part refuses."""
    probe = Check("examples", "examples", first.subject, check_contract, None, first.text)
    fails = first.known() if first.name == FIRST else probe.known()
    if fails is None or not isinstance(fails.raised, (ValueError, UserError)):
        return None
    message = f"{probe.failure()}; say in its examples what the part takes: `input` and the other keys of its contract"
    id = f"examples[{first.text}]" if "[" in first.id else "examples"
    return Outcome(first.subject.kind, first.subject.name, id, "failed", message)


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
