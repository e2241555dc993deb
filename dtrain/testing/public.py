"""`checks` and `parametrize`: all checks of a part, for a loop and for pytest."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from dtrain.errors import did_you_mean, listed
from dtrain.registry import Bound, Registry

from .failure import Failure
from .ranks import agreed
from .subject import Factory, Subject, subjects
from .table import ADVICE, FIRST, IDS, ON_RANKS, specs_of

if TYPE_CHECKING:
    from dtrain.communicator.protocol import Communicator


@dataclass(frozen=True)
class Check:
    """One check of one part with one example; call it. Raises Failure, and nothing else.

    reason: why it is expected to fail; then only a pass is a Failure. before: what has to hold for this one to
    say anything.
    """

    id: str
    name: str
    subject: Subject = field(repr=False)
    function: Any = field(repr=False)
    reason: str | None = None
    text: str = ""
    before: Check | None = field(default=None, repr=False)

    def __call__(self) -> None:
        """Runs the check; an expected failure passes, an unexpected pass fails."""
        failure = self.failure()
        if self.reason is None and failure is not None:
            raise failure
        if self.reason is not None and failure is None:
            unexpected = Failure(
                f"expected to fail ({self.reason}), but passes; take it out of expected_failed_checks"
            )
            unexpected.about = self._about()
            raise unexpected

    def failure(self) -> Failure | None:
        """Runs the check; returns what is wrong, or None. An error of the part itself counts."""
        cause = None if self.before is None else self.before.known()
        if cause is not None:
            return self._told(Failure(f"not tried before {self.before.name} holds: {cause.what}"), cause)  # type: ignore[union-attr]
        try:
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # `finite` looks for them; the others look for something else
                self.function(self.subject)
        except Failure as failure:
            return self._told(failure, failure.__cause__)
        except Exception as error:
            notes = "".join(f"; {note}" for note in getattr(error, "__notes__", []))
            found = Failure(f"expected no error, got {type(error).__name__}: {error}{notes}")
            found.raised = error
            return self._told(found, error)
        return None

    def known(self) -> Failure | None:
        """Returns what `failure` does, found once for all checks of an example."""
        known = self.subject.known
        if self.name not in known:
            known[self.name] = self.failure()
        return known[self.name]

    def _told(self, failure: Failure, cause: BaseException | None) -> Failure:
        failure.about = self._about()
        failure.__cause__ = cause
        return failure

    def _about(self) -> str:
        options = f" with {self.text}" if self.text else ""
        return f"{self.subject.bound}{options}: {self.name}"


def checks(
    kind: str,
    factory: Factory | Bound | str,
    *,
    expected_failed_checks: Mapping[str, str] | None = None,
    advice: bool = False,
    communicator: Communicator | None = None,
    registry: Registry | None = None,
    examples: Iterable[Mapping[str, Any]] = (),
    **example: Any,
) -> Iterator[tuple[str, Check]]:
    """Yields (id, check) for all that a part of this kind has to fulfil; a check is called without arguments.

    kind: as in the hooks, such as "layers". factory: a class, a function, the name of an installed part.
    example: options, and keys for the checks (see the contract's `examples`); without any, each of
    `factory.examples` is taken, and ids end in it: `split[units=3]`.
    expected_failed_checks: id → reason, in addition to the part's attribute of that name.
    advice: whether checks that only cost speed are among them. communicator: of a real job: only the
    checks on ranks, over its ranks. registry: where parts are found by name; by default all that is installed.

    >>> for id, check in checks("layers", "dense", units=3, activation="tanh"):
    ...     check()
    """
    for text, subject in subjects(kind, factory, example, registry, examples):
        reasons, first = _reasons(subject, expected_failed_checks), None
        for name, function in _functions(subject.sort, advice, communicator):
            full = f"{name}[{text}]" if text and not example else name
            reason = reasons.get(full, reasons.get(name))
            check = Check(full, name, subject, function, reason, text, first)
            if name == FIRST and reason is None:
                first = check
            yield full, check


def _functions(kind: str, advice: bool, communicator: Communicator | None) -> Iterator[tuple[str, Any]]:
    for spec in specs_of(kind):
        if communicator is None:
            if advice or spec.id not in ADVICE:
                yield spec.id, spec.function
        elif spec.function in ON_RANKS:
            yield spec.id, partial(_on_job, spec.function, communicator)


def _on_job(function: Any, communicator: Communicator, subject: Subject) -> None:
    agreed(lambda: function(subject, communicator), communicator)


def _reasons(subject: Subject, given: Mapping[str, str] | None) -> dict[str, str]:
    reasons = {**getattr(subject.bound.factory, "expected_failed_checks", {}), **(given or {})}
    for name in reasons:
        if name.split("[")[0] not in IDS:
            raise ValueError(
                f"expected_failed_checks names {name!r}, which is no check{did_you_mean(name, IDS)}; "
                f"checks: {listed(IDS)}"
            )
    return reasons


def parametrize(kind: str, factory: Factory | Bound | str, **options: Any) -> dict[str, Any]:
    """Returns the arguments of `pytest.mark.parametrize`, without pytest; options: those of `checks`.

    ::

        @pytest.mark.parametrize(**parametrize("layers", MyLayer, units=3))
        def test_my_layer(check):
            check()
    """
    found = list(checks(kind, factory, **options))
    return {
        "argnames": "check",
        "argvalues": [check for _, check in found],
        "ids": [name for name, _ in found],
    }
