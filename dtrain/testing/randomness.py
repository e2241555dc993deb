"""Randomness comes from dtrain's streams alone: not from NumPy's global state, nor from a generator of one's own."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import numpy as np

from .data import sample
from .exercise import exercise
from .failure import check_equal, check_same_bits
from .passes import Options
from .poison import ADVICE, GENERATORS, GLOBAL, poisoned
from .rows import ROW_KINDS

if TYPE_CHECKING:
    from .subject import Subject


def check_no_global_randomness(subject: Subject) -> None:
    """Nothing calls a function of `np.random` or `random`, nor moves their global state."""
    data = sample(subject, 6) if subject.kind in ROW_KINDS else None
    before = _states()
    with poisoned(subject, GLOBAL):
        exercise(subject, Options(), data)
        if subject.kind in ROW_KINDS:
            exercise(subject, Options(training=False), data)
    check_equal("the global random state after the part was used", *_told(before, _states()), ADVICE)


def check_repeatable(subject: Subject) -> None:
    """A second instance does the same to the bit, and nothing makes a generator of its own."""
    with poisoned(subject, GENERATORS):
        first, second = exercise(subject), exercise(subject)
    check_equal("what a second instance gives, names", sorted(first), sorted(second), ADVICE)
    for name, value in first.items():
        if isinstance(value, list):
            check_equal(f"{name}, of a second instance", value, second[name], ADVICE)
        else:
            check_same_bits(f"{name}, of a second instance with the same seed", value, second[name], ADVICE)


def _states() -> tuple[Any, Any]:
    return np.random.get_state(legacy=False), random.getstate()


def _told(before: Any, after: Any) -> tuple[str, str]:
    """Returns words to compare: two states are long."""
    same = repr(before) == repr(after)
    return "as it was before", "as it was before" if same else "another one"
