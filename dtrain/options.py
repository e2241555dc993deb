"""What an option may be, as its annotation says: `lr: Annotated[float, Range(gt=0)]`."""

from __future__ import annotations

import types
import typing
from dataclasses import dataclass
from math import isfinite
from numbers import Integral, Real
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Range:
    """The finite numbers within bounds, each of which may be left out: > gt, ≥ ge, < lt, ≤ le."""

    gt: float | None = None
    ge: float | None = None
    lt: float | None = None
    le: float | None = None

    def __contains__(self, value: Any) -> bool:
        # The first is quick: a schedule asks in every step.
        if type(value) is not float and not is_number(value):
            return False
        try:
            number = float(value)
        except OverflowError:  # a whole number beyond all floats
            return False
        return (
            isfinite(number)
            and (self.gt is None or number > self.gt)
            and (self.ge is None or number >= self.ge)
            and (self.lt is None or number < self.lt)
            and (self.le is None or number <= self.le)
        )

    def __str__(self) -> str:
        low = f"[{self.ge:g}" if self.ge is not None else None if self.gt is None else f"({self.gt:g}"
        high = f"{self.le:g}]" if self.le is not None else None if self.lt is None else f"{self.lt:g})"
        if low and high:
            return f"in {low}, {high}"
        if low:
            bound = low[1:]
            return f"at least {bound}" if low[0] == "[" else "positive" if bound == "0" else f"above {bound}"
        if high:
            return f"at most {high[:-1]}" if high[-1] == "]" else f"below {high[:-1]}"
        return "finite"


def fault(value: Any, annotation: Any) -> str | None:
    """Returns what a value must be by its annotation and is not, such as "in [0, 1)"; None where nothing is wrong.

    Looks at numbers and their ranges, also in lists and unions; what it does not know, it takes.
    """
    if annotation is int:
        return None if isinstance(value, Integral) and is_number(value) else "a whole number"
    if annotation is float:
        return None if type(value) is float or is_number(value) else "a number"
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return fault(value, arguments[0]) or _outside(value, arguments[1:])
    if origin in (typing.Union, types.UnionType):
        faults = [fault(value, member) for member in arguments]
        return None if None in faults else faults[0]
    if origin in (list, tuple) and isinstance(value, (list, tuple)):
        each = arguments if origin is tuple and ... not in arguments else arguments[:1] * len(value)
        return next((found for pair in zip(value, each, strict=False) if (found := fault(*pair))), None)
    if origin is typing.Literal:
        return None if value in arguments else " or ".join(map(repr, arguments))
    return "None" if annotation is type(None) and value is not None else None


def is_number(value: Any) -> bool:
    """Return whether this is a number; True and False are none."""
    return isinstance(value, Real) and not isinstance(value, bool)


def _outside(value: Any, extras: tuple[Any, ...]) -> str | None:
    for extra in extras:
        if isinstance(extra, Range) and value not in extra:
            infinite = value == value and value not in Range()
            return "finite" if infinite else str(extra)
    return None


def check(name: str, value: Any, annotation: Any, error: type[ValueError] = ValueError) -> None:
    """Raises the error for a value that is outside the numbers that the annotation allows."""
    if (must := fault(value, annotation)) is not None:
        raise error(f"{name} must be {must}, got {value!r}")


def ranged(annotation: Any) -> bool:
    """Return whether there is a Range in an annotation."""
    return isinstance(annotation, Range) or any(map(ranged, typing.get_args(annotation)))


def numbers_in(annotation: Any) -> frozenset[type]:
    """Returns int, float or both for an option that is a number (or None), and nothing for any other."""
    if annotation in (int, float):
        return frozenset([annotation])
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return numbers_in(arguments[0])
    if origin not in (typing.Union, types.UnionType):
        return frozenset()
    members = [numbers_in(member) for member in arguments if member is not type(None)]
    return frozenset().union(*members) if all(members) else frozenset()
