"""What a value has to be: the words for it, and the function that reads it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, TypeVar

_T = TypeVar("_T")
_TOO_LARGE = 2**63  # the integers of TOML end here


class WrongValueError(Exception):
    """A value that a check refuses."""


@dataclass(frozen=True)
class Check:
    """Reads a value, or raises WrongValueError; `expected` says what would have been right."""

    expected: str
    read: Callable[[Any], Any]


def whole(least: int) -> Check:
    """A whole number, at least `least`."""
    return Check(f"a whole number ≥ {least}", lambda value: _whole(value, least))


def number(words: str, fits: Callable[[float], bool]) -> Check:
    """A number for which `fits` holds."""

    def read(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, Real):
            raise WrongValueError
        try:
            return _when(fits(float(value)), float(value))
        except OverflowError:
            raise WrongValueError from None

    return Check(words, read)


def one_of(*choices: str) -> Check:
    """One of a few strings."""
    return Check(
        " or ".join(f'"{choice}"' for choice in choices),
        lambda value: _when(isinstance(value, str) and value in choices, value),
    )


def either(first: Check, second: Check) -> Check:
    """What one of two checks reads."""

    def read(value: Any) -> Any:
        try:
            return first.read(value)
        except WrongValueError:
            return second.read(value)

    return Check(f"{first.expected} or {second.expected}", read)


def list_of(words: str, item: Check) -> Check:
    """A list, read as a tuple."""

    def read(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, (list, tuple)):
            raise WrongValueError
        return tuple(item.read(element) for element in value)

    return Check(words, read)


POSITIVE = number("a number > 0", lambda value: value > 0)
WAIT = number("0 or a number ≥ 2", lambda value: value == 0 or value >= 2)
FRACTION = number("a number ≥ 0 and < 1", lambda value: 0 <= value < 1)
FLAG = Check("true or false", lambda value: _when(isinstance(value, bool), value))
WORD = Check("a string", lambda value: _when(isinstance(value, str) and value != "", value))
METRIC = Check("the name of a metric", WORD.read)
IDS = list_of("a list of ids", WORD)
NAMES = list_of("a list of names", WORD)
STEM = Check(
    "a name without a slash",
    lambda value: _when(isinstance(value, str) and value.strip(". ") != "" and "/" not in value, value),
)


def _whole(value: Any, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise WrongValueError
    return _when(least <= int(value) < _TOO_LARGE, int(value))


def _when(right: bool, value: _T) -> _T:
    if not right:
        raise WrongValueError
    return value
