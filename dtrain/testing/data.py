"""Samples to try a part on: the same on every machine, drawn before anything is poisoned."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.random import Generator, Philox  # bound here: a check may poison np.random meanwhile

if TYPE_CHECKING:
    from dtrain.types import Array, Shape

    from .subject import Subject

LARGEST = 1e4
"""Finite inputs up to this size must make neither a warning nor a NaN, where a part declares no range."""
WIDE = 30.0
"""Gradients are checked at inputs up to this size, where a part declares no range."""
_KINK = 0.05


class Data(NamedTuple):
    """A global batch, float64. dy: a gradient of the output, for layers."""

    x: Array
    target: Array | None
    dy: Array


def numbers(shape: Shape, *key: int) -> Array:
    """Returns normal numbers, float64: the same for the same key."""
    return Generator(Philox(key=list(key) + [0] * (2 - len(key)))).standard_normal(shape)


def sample(subject: Subject, rows: int, seed: int = 0) -> Data:
    """Returns rows of ordinary size, none within 0.05 of zero, where many functions have their kink."""
    return with_x(subject, inputs(subject, rows, seed), seed)


def with_x(subject: Subject, x: Array, seed: int = 0) -> Data:
    """Returns these rows with a target and a dy."""
    out: Shape = subject.output if subject.is_layer else ()
    return Data(x, targets(subject, len(x), seed), numbers((len(x), *out), seed, 3))


def inputs(subject: Subject, rows: int, seed: int = 0) -> Array:
    """Returns x, (rows, *input): normal, or uniform over the range that the example declares."""
    x = numbers((rows, *subject.flat_input), seed, 1)
    if subject.range is None:
        return x + np.copysign(_KINK, x)
    low, high = subject.range
    share = Generator(Philox(key=[seed, 4])).uniform(0.02, 0.98, x.shape)
    return np.floor(low + (high - low) * share) if subject.whole else low + (high - low) * share


def wide(subject: Subject) -> Data:
    """Returns rows that cover all sizes from 0.01 to 30, of either sign, or the declared range from end to end."""
    size = max(1, prod(subject.flat_input))
    rows = max(5, -(-60 // size))
    low, high = subject.range or (-WIDE, WIDE)
    count = rows * size
    share = (np.arange(count) + 0.5) / count
    if subject.whole or low * high >= 0:
        x = low + (high - low) * share
    else:
        below = round(count / 2)
        x = np.concatenate(
            [np.geomspace(low, low / 3000, below), np.geomspace(high / 3000, high, count - below)]
        )
    shuffled = Generator(Philox(key=[5, 5])).permutation(x).reshape(rows, *subject.flat_input)
    return with_x(subject, np.floor(shuffled) if subject.whole else shuffled)


def extremes(subject: Subject, rows: int) -> list[Array]:
    """Returns batches at the ends of what a part must bear: mixed, all zero, all the same, a single row."""
    low, high = subject.range or (-LARGEST, LARGEST)
    if subject.whole:
        high -= 1
    middle = low + 0.5 * (high - low)  # zero, unless a range is declared
    ends = [low, high, middle, low + 0.01 * (high - low), high]
    tiny = inputs(subject, rows) * (1.0 if subject.range else 1e-30)
    shape = (rows, *subject.flat_input)
    mixed = np.resize(np.array(ends), shape)
    batches = [mixed, tiny, *(np.full(shape, float(x)) for x in (low, high, middle)), mixed[:1]]
    return [np.floor(batch) for batch in batches] if subject.whole else batches


def targets(subject: Subject, rows: int, seed: int = 0) -> Array | None:
    """Returns the target that the example declares; see `Loss.examples`."""
    if subject.target is None:
        return None
    shape = subject.flat_input
    random = Generator(Philox(key=[seed, 2]))
    if callable(subject.target):
        return np.asarray(subject.target(random, rows, shape))
    return _TARGETS[subject.target](random, rows, shape)


def _distribution(random: Any, rows: int, shape: Shape) -> Array:
    p = random.uniform(0.1, 1.0, (rows, *shape))
    return p / p.sum(axis=-1, keepdims=True)


_TARGETS: dict[str, Any] = {
    "classes": lambda random, rows, shape: random.integers(
        0, shape[-1] if prod(shape) > 1 else 2, (rows, *shape[:-1])
    ),
    "real": lambda random, rows, shape: random.standard_normal((rows, *shape)),
    "signs": lambda random, rows, shape: random.choice([-1.0, 1.0], (rows, *shape)),
    "binary": lambda random, rows, shape: random.integers(0, 2, (rows, *shape)).astype(np.float64),
    "unit": lambda random, rows, shape: random.uniform(0.05, 0.95, (rows, *shape)),
    "distribution": _distribution,
}
"""How the words for `target` are drawn."""

TARGETS = tuple(_TARGETS)
