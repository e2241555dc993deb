"""Makes every source of randomness but dtrain's own raise, for a while."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import numpy as np

from .failure import Failure
from .imports import modules_of

if TYPE_CHECKING:
    from .subject import Subject

ADVICE = (
    "draw from the context (context.uniform, normal, bernoulli), or from the stream that an initializer is given: "
    "the same numbers on any number of ranks"
)
OF_DATA = (
    "draw from dtrain.Stream(seed, name), with an option `seed`: every rank builds the dataset, and all must hold the "
    "same samples"
)
_HARMLESS = ("default_rng", "get_state", "set_state", "getstate", "setstate")


def _functions(module: Any) -> list[tuple[Any, str]]:
    names = [name for name in module.__all__ if not isinstance(getattr(module, name), type)]
    return [(module, name) for name in names if name not in _HARMLESS]


GLOBAL = [*_functions(np.random), *_functions(random)]
"""(module, name) of what draws from, or sets, a state that everybody shares."""

GENERATORS = [
    *((np.random, name) for name in np.random.__all__ if isinstance(getattr(np.random, name), type)),
    (np.random, "default_rng"),
    (random, "Random"),
    (random, "SystemRandom"),
]
"""(module, name) of what makes a generator of one's own."""


@contextmanager
def poisoned(subject: Subject, sources: Sequence[tuple[Any, str]]) -> Iterator[None]:
    """Makes these raise Failure while the block runs, also under the names that the part's modules gave them."""
    refusals: dict[int, Any] = {}
    advice = OF_DATA if subject.kind == "datasets" else ADVICE
    modules = modules_of(subject)  # found before anything is changed
    with ExitStack() as stack:
        for module, name in sources:
            original = getattr(module, name)
            refusals[id(original)] = _forbidden(f"{module.__name__}.{name}", original, advice)
            stack.enter_context(patch.object(module, name, refusals[id(original)]))
        for module in modules:
            for name, value in list(vars(module).items()):
                if id(value) in refusals:
                    stack.enter_context(patch.object(module, name, refusals[id(value)]))
        yield


def _forbidden(name: str, original: Any, advice: str) -> Any:
    def refuse(*_: Any, **__: Any) -> Any:
        raise Failure(f"the part calls {name}; {advice}")

    return type(original.__name__, (), {"__new__": refuse}) if isinstance(original, type) else refuse
