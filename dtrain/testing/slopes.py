"""Whether a gradient is the slope of a function: by differences on the real line, then by complex steps.

Both go along random directions, one for each group of elements of like size, so that a few evaluations see every
element. Where a group's slope is another, halves of it are tried, down to the element that is wrong.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .data import numbers
from .failure import Failure, differ

if TYPE_CHECKING:
    from dtrain.types import Array

    Function = Callable[[Array], Any]  # of one array: numbers whose sum is what the gradient is of

GROUPS = 6
STEPS = (1e-3, 1e-4, 1e-5, 1e-6)
"""Tried in turn until the slopes agree: a kink within the first is, at a random point, not within the last."""
COMPLEX_STEP = 1e-30
"""h of Im f(x + ihv)/h: there is no difference in it, so no digit is lost."""
TOLERANCE, EXACT = 1e-6, 1e-10
"""Relative, of differences and of complex steps."""
LEAST = 0.01
"""Slopes below it count as this large, so that what is zero but for rounding equals zero."""

_ADVICE = (
    "backward must return the derivative of forward times dy: derive it again, or look for a factor left out; "
    "where something else is meant to go back, say why in `surrogate`"
)
_HIDDEN = (
    "forward computes with x.real, or with a value it takes for constant, so that a part of the slope is missing: "
    "choose and compare by x.real, but compute with x; where a stop-gradient is meant, say why in `surrogate`"
)


def check_slope(
    name: str, got: Array, at: Array, function: Callable[[Any], Function], complex: bool | None = None
) -> None:
    """Raises Failure unless `got` is the gradient, at `at`, of the sum of what the function gives.

    function: makes it for a dtype. complex: as in the contract's `examples`; None: to be found out.
    """
    if got.shape != at.shape:
        raise differ(f"{name}, shape", at.shape, got.shape, _ADVICE)
    _Slope(name, got, at, function, complex).check()


class _Slope:
    def __init__(
        self, name: str, got: Array, at: Array, function: Callable[[Any], Function], complex: bool | None
    ) -> None:
        self.name, self.got, self.at, self.complex = name, got, at, complex
        self.real = function(np.float64)
        self.on_complex = None if complex is False else self._complex(function)
        size = np.minimum(1.0, np.abs(at)) + 1e-3  # never across zero
        self.direction = (numbers(at.shape, 11) / 4 + np.copysign(1.0, numbers(at.shape, 12))) * size

    def check(self) -> None:
        order = np.argsort(self.at, axis=None, kind="stable")
        for places in np.array_split(order, min(GROUPS, len(order)) or 1):
            for agrees, slope in (
                (self._agrees, self._by_differences),
                (self._agrees_exactly, self._by_complex),
            ):
                wrong = _first_wrong(agrees, places)
                if wrong is not None:
                    raise self._failure(wrong, slope(self._along([wrong])))

    def _failure(self, place: int, expected: float) -> Failure:
        v = self._along([place])
        at = np.unravel_index(place, self.at.shape)
        slope, got = expected / float(v[at]), float(self.got[at])
        hidden = abs(self._by_complex(v) - self._claimed(v)) <= EXACT * self._size(v)
        where = f"{self.name} at {[int(i) for i in at]}, for a value of {self.at[at]:.3g}"
        advice = _HIDDEN if hidden and abs(got - slope) > TOLERANCE else _ADVICE
        return differ(where, f"{slope:.9g}", f"{got:.9g} (off by {abs(got - slope):.2g})", advice)

    def _along(self, places: Sequence[int] | Array) -> Array:
        """Returns the direction in which these elements move, and no others."""
        v = np.zeros(self.at.shape)
        v.flat[places] = self.direction.flat[places]
        return v

    def _claimed(self, v: Array) -> float:
        return float(np.sum(self.got * v))

    def _size(self, v: Array) -> float:
        return max(float(np.sum(np.abs(self.got * v))), LEAST * float(np.abs(v).max(initial=0)))

    def _agrees(self, places: Array) -> bool:
        v = self._along(places)
        claimed, size, usable = self._claimed(v), self._size(v), False
        for h in STEPS:
            slope, noise = self._differences(v, h)
            scale = max(size, abs(slope))
            if not noise > 1e-3 * scale:  # else the function's own rounding hides its slope
                usable = True
                if abs(slope - claimed) <= TOLERANCE * scale + noise:
                    return True
        return not usable

    def _differences(self, v: Array, h: float) -> tuple[float, float]:
        """Returns the slope along v, of fourth order in h, and what rounding may have added to it.

        Terms that do not change count for neither.
        """
        far_left, left, right, far_right = (
            np.asarray(self.real(self.at + s * h * v)) for s in (-1, -0.5, 0.5, 1)
        )
        near = right - left
        slope = float(np.sum(8 * near - (far_right - far_left))) / (6 * h)
        rounding = 64 * np.finfo(np.float64).eps * np.abs(right)
        return slope, float(np.sum(rounding, where=near != 0)) / h

    def _by_differences(self, v: Array) -> float:
        return self._differences(v, STEPS[1])[0]

    def _by_complex(self, v: Array) -> float:
        """Returns Im f(x + ihv)/h; NaN where the function takes no complex numbers."""
        if self.on_complex is None:
            return float("nan")
        return float(np.sum(np.imag(self.on_complex(self.at + 1j * COMPLEX_STEP * v)))) / COMPLEX_STEP

    def _agrees_exactly(self, places: Array) -> bool:
        """Compares to ten digits, unless the function loses imaginary parts: then differences have to do."""
        if self.on_complex is None:
            return True
        v = self._along(places)
        slope, claimed, size = self._by_complex(v), self._claimed(v), self._size(v)
        if abs(slope - claimed) <= EXACT * size:
            return True
        # As near to `claimed` as differences have shown that to be.
        faithful = abs(slope - claimed) <= 10 * TOLERANCE * size
        if self.complex and not faithful:
            raise Failure(f"{self.name}: the example says complex=True, but the part loses imaginary parts")
        return not faithful

    def _complex(self, function: Callable[[Any], Function]) -> Function | None:
        """Returns the function on complex numbers; None where it refuses them."""

        def quiet(x: Array) -> Any:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                return f(x)

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                f = function(np.complex128)
            quiet(self.at + 0j)
        except Exception as error:  # whatever a part raises that takes no complex numbers
            if self.complex:
                raise Failure(
                    f"{self.name}: the example says complex=True, but the part fails on complex numbers: {error}"
                ) from error
            return None
        return quiet


def _first_wrong(agrees: Callable[[Array], bool], places: Array) -> int | None:
    """Returns the first element that is wrong by itself; of a kink that only a step of many met, none."""
    if not len(places) or agrees(places):
        return None
    if len(places) == 1:
        return int(places[0])
    middle = len(places) // 2
    found = _first_wrong(agrees, places[:middle])
    return _first_wrong(agrees, places[middle:]) if found is None else found
