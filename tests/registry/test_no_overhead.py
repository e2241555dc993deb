"""A part that came through the registry is the plain object: a step makes the same calls as by hand."""

from __future__ import annotations

import sys
from collections import Counter

from tests.benchmarks.plugins_cost import by_hand, stepper, through_the_registry


def calls_of(train):
    """How often a step calls each function, in Python and in C."""
    calls: Counter[str] = Counter()

    def note(frame, event, argument):
        if event == "call":
            calls[f"{frame.f_globals.get('__name__')}.{frame.f_code.co_qualname}"] += 1
        elif event == "c_call":
            calls[argument.__qualname__] += 1

    for _ in range(3):  # scratch and the like is made in the first steps
        train()
    sys.setprofile(note)
    try:
        train()
    finally:
        sys.setprofile(None)
    return calls


def test_a_step_makes_the_same_calls_and_none_of_the_registrys():
    (ours, first), (theirs, second) = stepper(through_the_registry()), stepper(by_hand())
    mine = calls_of(ours)
    assert mine == calls_of(theirs)
    assert mine["dtrain_plugins.layers.dense.Dense.forward"] == 10
    assert not [name for name in mine if name.startswith(("dtrain.registry", "pluggy"))]
    assert first.digest() == second.digest()
