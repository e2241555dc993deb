"""What a check raises, and how it says so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from dtrain.types import Array


class Failure(AssertionError):
    """A part breaks its contract.

    what: the sentence without its place. expected, got: the two sides, where there are two.
    about: which part, with which options, in which check; set by the check that was running. raised: what the part
    itself raised, where that is all there is.
    """

    def __init__(self, what: str, expected: object = None, got: object = None) -> None:
        super().__init__(what)
        self.what, self.expected, self.got = what, expected, got
        self.about = ""
        self.raised: Exception | None = None

    def __str__(self) -> str:
        return f"{self.about}: {self.what}" if self.about else self.what


def differ(name: str, expected: object, got: object, advice: str = "") -> Failure:
    """Returns the failure `name: expected …, got …; advice`."""
    return Failure(f"{name}: expected {expected}, got {got}{advice and '; ' + advice}", expected, got)


def check_equal(name: str, expected: object, got: object, advice: str = "") -> None:
    """Raises Failure unless the two are equal."""
    if expected != got:
        raise differ(name, expected, got, advice)


def check_near(name: str, expected: Any, got: Any, tolerance: float, advice: str = "") -> None:
    """Raises Failure unless the largest difference is at most tolerance × the largest number expected.

    Numbers below 0.01 count as 0.01, so that what is zero but for rounding equals zero.
    """
    expected, got = np.asarray(expected), np.asarray(got)
    _check_shape(name, expected, got, advice)
    off, at = _largest(expected, got)
    scale = max(float(np.abs(expected).max(initial=0.0)), 0.01)
    if not off <= tolerance * scale:
        raise differ(
            f"{name}{_at(at)}", _shown(expected[at]), f"{_shown(got[at])} (off by {off:.2g})", advice
        )


def check_same_bits(name: str, expected: Any, got: Any, advice: str = "") -> None:
    """Raises Failure unless two arrays are equal in dtype, shape and every bit; −0 is not 0, NaN equals NaN."""
    expected, got = np.asarray(expected), np.asarray(got)
    _check_shape(name, expected, got, advice)
    check_equal(f"{name}, dtype", expected.dtype, got.dtype, advice)
    if expected.tobytes() == got.tobytes():
        return
    off, at = _largest(expected, got)
    if off == 0:
        raise Failure(f"{name}: equal numbers, other bits (0 and −0, or NaNs){advice and '; ' + advice}")
    raise differ(f"{name}{_at(at)}", _shown(expected[at]), f"{_shown(got[at])} (off by {off:.2g})", advice)


def _check_shape(name: str, expected: Array, got: Array, advice: str) -> None:
    check_equal(f"{name}, shape", expected.shape, got.shape, advice)


def _largest(a: Array, b: Array) -> tuple[float, tuple[int, ...]]:
    """Returns the largest difference, and where it is; a NaN beside a number is infinitely far."""
    if not a.size:
        return 0.0, ()
    wide = np.complex128 if "c" in (a.dtype.kind, b.dtype.kind) else np.float64
    with np.errstate(all="ignore"):
        off = np.abs(a.astype(wide) - b.astype(wide))
    same = (a == b) | ((a != a) & (b != b))
    off = np.where(same, 0.0, np.where(np.isnan(off), np.inf, off))
    at = np.unravel_index(int(off.argmax()), off.shape)
    return float(off[at]), tuple(int(i) for i in at)


def _at(place: tuple[int, ...]) -> str:
    return f" at {list(place)}" if place else ""


def _shown(number: Any) -> str:
    return f"{number:.9g}" if np.asarray(number).dtype.kind in "fc" else str(number)
