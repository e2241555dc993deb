"""Randomness comes from dtrain's streams alone: not from NumPy's global state, nor from a generator of one's own."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import numpy as np

from .data import sample
from .exercise import exercise
from .failure import Failure, check_equal, check_same_bits
from .passes import Options
from .rows import ROW_KINDS

if TYPE_CHECKING:
    from .subject import Subject

_SEEDED = {
    "np.random": (
        "default_rng",
        "Generator",
        "RandomState",
        "Philox",
        "PCG64",
        "PCG64DXSM",
        "MT19937",
        "SFC64",
    ),
    "random": ("Random", "SystemRandom"),
}
_STATE = ("get_state", "set_state", "getstate", "setstate")
_ADVICE = (
    "draw from the context (context.uniform, normal, bernoulli), or from the stream that an initializer is given: "
    "the same numbers on any number of ranks"
)


def check_no_global_randomness(subject: Subject) -> None:
    """Nothing calls a function of `np.random` or `random`, nor moves their global state."""
    data = sample(subject, 6) if subject.kind in ROW_KINDS else None
    before = _states()
    with _poisoned({name: _global_functions(module) for name, module in _MODULES.items()}):
        exercise(subject, Options(), data)
        if subject.kind in ROW_KINDS:
            exercise(subject, Options(training=False), data)
    check_equal("the global random state after the part was used", *_told(before, _states()), _ADVICE)


def check_repeatable(subject: Subject) -> None:
    """A second instance does the same to the bit, and nothing makes a generator of its own."""
    with _poisoned(_SEEDED):
        first, second = exercise(subject), exercise(subject)
    check_equal("what a second instance gives, names", sorted(first), sorted(second), _ADVICE)
    for name, value in first.items():
        if isinstance(value, list):
            check_equal(f"{name}, of a second instance", value, second[name], _ADVICE)
        else:
            check_same_bits(f"{name}, of a second instance with the same seed", value, second[name], _ADVICE)


_MODULES: dict[str, Any] = {"np.random": np.random, "random": random}


def _global_functions(module: Any) -> list[str]:
    names = [name for name in module.__all__ if not isinstance(getattr(module, name), type)]
    return [name for name in names if name not in (*_STATE, "default_rng")]


def _states() -> tuple[Any, Any]:
    return np.random.get_state(legacy=False), random.getstate()


def _told(before: Any, after: Any) -> tuple[str, str]:
    """Returns words to compare: two states are long."""
    same = repr(before) == repr(after)
    return "as it was before", "as it was before" if same else "another one"


@contextmanager
def _poisoned(names: dict[str, Any]) -> Iterator[None]:
    """Makes these functions and classes raise while the block runs."""
    patches = [
        patch.object(_MODULES[module], name, _forbidden(f"{module}.{name}", getattr(_MODULES[module], name)))
        for module, these in names.items()
        for name in these
    ]
    for one in patches:
        one.start()
    try:
        yield
    finally:
        for one in reversed(patches):
            one.stop()


def _forbidden(name: str, original: Any) -> Any:
    def refuse(*_: Any, **__: Any) -> Any:
        raise Failure(f"the part calls {name}; {_ADVICE}")

    return type(original.__name__, (), {"__new__": refuse}) if isinstance(original, type) else refuse
