"""A schedule drives an optimizer's option by its attribute, and the next update follows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from dtrain.errors import UserError

from .data import numbers
from .exercise import Pad
from .failure import check_same_bits, differ
from .solvers import play
from .toy import Parabola
from .updates import update

if TYPE_CHECKING:
    from .subject import Subject


def check_driven(subject: Subject) -> None:
    """`lr`, and every number that is an option and an attribute, can be set between updates, as if given so."""
    given = dict(subject.bound.options)
    if "lr" not in given and not isinstance(getattr(subject.make(), "lr", None), float):
        raise differ("the attribute lr", "a number", "none", "schedules drive lr: keep it as self.lr")
    for name, value in given.items():
        driven = subject.make()
        if not isinstance(value, float) or getattr(driven, name, None) != value:
            continue
        try:
            fresh = replace(subject.bound, options=given | {name: value / 2}).build()
        except UserError:  # half of it is not allowed
            continue
        setattr(driven, name, value / 2)
        updated = _solved if subject.sort == "solvers" else _updated
        expected, got = updated(fresh), updated(driven)
        check_same_bits(
            f"value after {name} was set to {value / 2:g}", expected, got, f"read self.{name} in update"
        )


def _solved(solver: Any) -> Any:
    return play(solver, Parabola(solver))


def _updated(optimizer: Any) -> Any:
    value = numbers((9,), 1)
    slots = [np.zeros(9) for _ in optimizer.slots]
    for step in (1, 2):
        update(optimizer, value, numbers((9,), 1, step), Pad(np.float64, step), slots)
    return value
