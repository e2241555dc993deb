"""One update of one parameter by hand, with the sums that the optimizer asks for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import fsum
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from dtrain.types import Array


def update(
    part: Any, value: Array, gradient: Array, pad: Any, slots: Sequence[Array],
    pieces: Sequence[tuple[int, int]] | None = None,
) -> Any:  # fmt: skip
    """Updates value and slots in these pieces, in this order, by default at once; returns what `update` returned."""
    returned: Any = None
    cuts = [slice(a, b) for a, b in pieces or [(0, len(value))]]
    given = [(value[cut], gradient[cut], pad, *(slot[cut] for slot in slots)) for cut in cuts]
    if part.sums_over and part.sums():
        decide(part, pad, [products(part.measure(*arguments)) for arguments in given])
    for arguments in given:
        returned = part.update(*arguments)
    return returned


def products(pairs: Iterable[tuple[Array, Array]]) -> list[Array]:
    """Returns a·b of each pair, element by element, in float64."""
    return [np.multiply(np.asarray(a), np.asarray(b), dtype=np.float64) for a, b in pairs]


def decide(part: Any, pad: Any, measured: Sequence[Sequence[Array]]) -> None:
    """Adds up the products of all pieces, without rounding, and tells the optimizer."""
    pad.sums = tuple(fsum(np.concatenate(pieces)) for pieces in zip(*measured, strict=True))
    if part.sums_over == "all":
        part.decide(pad.step, pad.sums)
