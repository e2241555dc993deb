"""What an optimizer is for: it moves the values, in place, and the loss falls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .exercise import Pad, vector
from .failure import Failure, differ
from .updates import update

if TYPE_CHECKING:
    from dtrain.types import Array

    from .subject import Subject

SIZE, STEPS = 12, 100
_START = np.linspace(-2, 2, SIZE)
_BENDS = np.logspace(-1, 0, SIZE)

_IN_PLACE = "write into the array itself, by `{0} -= …`, `{0}[:] = …` or out={0}: `{0} = …` makes another one"


def check_moves(subject: Subject) -> None:
    """What an update, or a decay, writes, it writes in place: the value, and every slot that is zero at the start."""
    if subject.kind == "regularizers":
        _check_decay(subject)
        return
    part = subject.make()
    value, slots, returned = _descended(part, _START + 1)
    if np.array_equal(value, _START):
        unused = "; what update returns is not used" if returned is not None else ""
        raise Failure(f"value is the same after {STEPS} updates: {_IN_PLACE.format('value')}{unused}")
    for name, slot in zip(part.slots, slots, strict=True):
        if not slot.any():
            raise Failure(f"slot {name!r} is still zero after {STEPS} updates: {_IN_PLACE.format(name)}")


def check_descends(subject: Subject) -> None:
    """A hundred updates lower the loss of a quadratic, wherever its minimum lies."""
    for toward in (1.0, -1.0):
        minimum = _START + toward
        value = _descended(subject.make(), minimum)[0]
        if np.array_equal(value, _START):
            return  # another check's business
        before, after = _loss(_START, minimum), _loss(value, minimum)
        if not after < before:
            raise differ(
                f"loss of a quadratic after {STEPS} updates", f"less than {before:.6g}", f"{after:.6g}",
                "value goes against the gradient, value -= lr·gradient, by a step that its curvature (up to 1 here) "
                "allows: look at the sign, and at the size of the defaults",
            )  # fmt: skip


def _loss(value: Array, minimum: Array) -> float:
    return float(0.5 * np.sum(_BENDS * (value - minimum) ** 2))


def _descended(part: Any, minimum: Array) -> tuple[Array, list[Array], Any]:
    """Returns what the updates leave, value and slots, and what the last one returned."""
    value, returned = _START.copy(), None
    slots = [np.zeros(SIZE) for _ in part.slots]
    for step in range(1, STEPS + 1):
        returned = update(part, value, _BENDS * (value - minimum), Pad(np.float64, step), slots)
    return value, slots, returned


def _check_decay(subject: Subject) -> None:
    part = subject.make()
    if not part.decoupled:
        return
    value = vector(subject)
    before = value.copy()
    part.decay(value, 0.1)
    if np.array_equal(value, before):
        raise Failure(f"value is the same after a decay: {_IN_PLACE.format('value')}")
