"""The slope of a function of one array: by complex steps, or by differences from either side."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from .failure import Failure, check_near, differ

if TYPE_CHECKING:
    from dtrain.types import Array

    Function = Callable[[Array], Any]  # of one array: the scalar whose gradient is checked

STEP = 1e-30
"""h of the complex step: Im f(x + ih)/h has no difference in it, so no digit is lost."""
MOST = 80
"""Elements of one array that are moved one by one; of larger arrays, so many of them, evenly spread."""


def check_slope(
    name: str, got: Array, at: Array, function: Callable[[Any], Function], complex: bool | None
) -> None:
    """Compares with complex steps; where the part does not take them, with differences."""
    if complex is not False:
        expected = _complex_step(function, at)
        if expected is not None and (complex or _agree_roughly(expected, got)):
            _compare(name, expected, got, 1e-10)
            return
        if complex:
            raise Failure(f"{name}: the example says complex=True, but the part fails on complex numbers")
    _compare_sides(name, function(np.float64), at, got)


def _moved(at: Array) -> Iterator[tuple[int, ...]]:
    """Yields the places of the elements to move."""
    places = np.unique(np.linspace(0, at.size - 1, min(at.size, MOST)).astype(int)) if at.size else ()
    return (np.unravel_index(int(i), at.shape) for i in places)  # type: ignore[misc]


def _complex_step(function: Callable[[Any], Function], at: Array) -> Array | None:
    """Returns Im f(x + ih)/h element by element, NaN where none was asked for; None where f refuses."""
    expected = np.full(at.shape, np.nan)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            f = function(np.complex128)
            for place in _moved(at):
                moved = at.astype(np.complex128)
                moved[place] += 1j * STEP
                expected[place] = f(moved).imag / STEP
    except Exception:  # whatever a part raises that takes no complex numbers
        return None
    return expected


def _agree_roughly(expected: Array, got: Array) -> bool:
    """Tells a small error of backward from a forward that loses the imaginary part, as np.abs does."""
    known = ~np.isnan(expected)
    scale = max(float(np.abs(expected[known]).max(initial=0)), 1e-2)
    return got.shape == expected.shape and float(np.abs(got - expected)[known].max(initial=0)) < 1e-3 * scale


def _compare(name: str, expected: Array, got: Array, tolerance: float) -> None:
    if got.shape == expected.shape:
        got = np.where(np.isnan(expected), 0, got)
    check_near(name, np.nan_to_num(expected), got, tolerance, _ADVICE)


def _compare_sides(name: str, f: Function, at: Array, got: Array) -> None:
    """Accepts the slope of either side, so that a kink between two points is no error."""
    if got.shape != at.shape:
        raise differ(f"{name}, shape", at.shape, got.shape, _ADVICE)
    slopes = {place: _slopes(f, at, place) for place in _moved(at)}
    scale = max([1e-2, *(abs(middle) for middle, _, _ in slopes.values())])
    for place, sides in slopes.items():
        off = min(abs(got[place] - side) for side in sides)
        if not off <= 1e-6 * scale:
            where = [int(i) for i in place]
            raise differ(
                f"{name} at {where}", f"{sides[0]:.9g}", f"{got[place]:.9g} (off by {off:.2g})", _ADVICE
            )


def _slopes(f: Function, at: Array, place: tuple[int, ...]) -> tuple[float, float, float]:
    """Returns the slope at a place, and those to the left and right, from points up to 2e-3 away."""
    h = 1e-3
    left2, left, right, right2, here = (_value(f, at, place, s * h) for s in (-2, -1, 1, 2, 0))
    middle = (8 * (right - left) - (right2 - left2)) / (12 * h)
    half_left, half_right = (_value(f, at, place, s * h / 2) for s in (-1, 1))
    to_left = (left2 - 12 * left + 32 * half_left - 21 * here) / (-6 * h)
    to_right = (right2 - 12 * right + 32 * half_right - 21 * here) / (6 * h)
    return middle, to_left, to_right


def _value(f: Function, at: Array, place: tuple[int, ...], by: float) -> float:
    moved = at.copy()
    moved[place] += by
    return float(f(moved))


_ADVICE = (
    "backward must return the derivative of forward times dy: derive it again, or look for a factor left out"
)
