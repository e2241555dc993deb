"""What works on slices gives the same in any pieces: an optimizer's slices, a penalty's, a dataset's indices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .data import numbers
from .exercise import Pad, vector
from .failure import check_near, check_same_bits
from .updates import update

if TYPE_CHECKING:
    from .subject import Subject

SIZE = 40
_PIECES = [[(0, 1), (1, 7), (7, SIZE)], [(25, SIZE), (0, 25)]]
_OPTIMIZER = (
    "element i of the new value may depend on element i of value, gradient and slots alone: "
    "the engine cuts updates into pieces and over ranks; norms over a parameter come from sums_over and measure"
)


def check_update_in_pieces(subject: Subject) -> None:
    """Three updates of a slice, whole and in pieces of any size and order, give the same bits."""
    whole = _updated(subject, [(0, SIZE)])
    for pieces in _PIECES:
        got = _updated(subject, pieces)
        for name, array in whole.items():
            check_same_bits(f"{name}, updated in pieces {pieces}", array, got[name], _OPTIMIZER)


def _updated(subject: Subject, pieces: list[tuple[int, int]]) -> dict[str, Any]:
    part = subject.make()
    value = numbers((SIZE,), 1).astype(np.float32)
    slots = [np.zeros(SIZE, np.float32) for _ in part.slots]
    for step in range(1, 4):
        gradient = numbers((SIZE,), step, 9).astype(np.float32)
        update(part, value, gradient, Pad(np.float32, step), slots, pieces)
    return {"value": value} | dict(zip(part.slots, slots, strict=True))


def check_penalty_in_pieces(subject: Subject) -> None:
    """Penalties of pieces add up to the penalty of the whole; gradients of pieces are the whole's."""
    value = vector(subject)
    whole, total = np.zeros_like(value), subject.make().penalty(value)
    subject.make().gradient(value, whole)
    cut = len(value) // 3
    part, out = subject.make(), np.zeros_like(value)
    pieces = (slice(0, cut), slice(cut, None))
    for piece in pieces:
        part.gradient(value[piece], out[piece])
    advice = "a penalty is a sum over elements: the engine hands it pieces of the parameters"
    check_near(
        "penalties of two pieces, added",
        total,
        sum(part.penalty(value[piece]) for piece in pieces),
        1e-10,
        advice,
    )
    check_near("gradient in two pieces", whole, out, 1e-10, advice)
    if part.decoupled:
        decayed, pieced = value.copy(), value.copy()
        part.decay(decayed, 0.1)
        for piece in pieces:
            part.decay(pieced[piece], 0.1)
        check_same_bits("values after decay in two pieces", decayed, pieced, advice)


def check_rows_in_pieces(subject: Subject) -> None:
    """`rows` of any indices, in any order and several times, gives those samples, the same each time."""
    part = subject.make()
    for name in ("train", "validation"):
        rows = getattr(part, name)
        if rows is None:
            continue
        indices = np.array([len(rows) - 1, 0, len(rows) // 2, 0], np.int64)
        together = rows.rows(indices)
        for i in range(len(indices)):
            for what, all_of_them, one in zip("xy", together, rows.rows(indices[i : i + 1]), strict=True):
                if all_of_them is not None:
                    advice = "a rank asks for its own samples only, in the order of the epoch"
                    check_same_bits(f"{name} {what} of sample {indices[i]}", all_of_them[i], one[0], advice)
