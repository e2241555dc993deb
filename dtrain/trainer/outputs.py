"""Whether the last layer gives what the loss expects: by what the layers say of their range, else by looking."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from dtrain.contracts import Span
from dtrain.errors import ConfigError
from dtrain.types import Array

if TYPE_CHECKING:
    from dtrain.contracts import Loss, Output

Look: TypeAlias = Callable[[Array], str | None]
"""From outputs (rows, …) to what is wrong with them."""

_TOLERANCE = 1e-3
"""How far outputs may be off for rounding; of float16, and of sums of many probabilities."""

_REACH = 0.01
"""A probability that cannot come nearer than this to 0 or 1 is limited."""

_WIDE = 20.0
"""Logits within less than this of each other cannot make a class as good as certain."""

_RANGES = {"probabilities": Span(0, 1), "rates": Span(0, inf)}
"""Where outputs have to lie."""


def check_output(loss: Loss, output: Output, name: str) -> None:
    """Raise ConfigError if the last layer does not give what the loss expects. name: what messages call the loss."""
    given, wanted = output.span, _wanted(loss)
    if given is None or wanted is None:
        return
    if given.low < wanted.low or given.high > wanted.high or (wanted.distribution and not given.distribution):
        raise ConfigError(
            f"{name}: expected {wanted} from the network, but its last layer, {output.layer!r}, gives {given}; "
            f"{loss.remedy}"
        )


def limits(loss: Loss, output: Output, name: str) -> list[str]:
    """Return a warning if the last layer gives a part only of what the loss expects, as if it was squashed twice."""
    given = output.span
    if given is None or not _limited(loss, given):
        return []
    return [
        f"{name} takes {loss.expects.replace('_', ' ')}, but the last layer, {output.layer!r}, gives only {given}, "
        "as an activation there limits them; leave it out"
    ]


def look_of(loss: Loss, output: Output, name: str) -> Look | None:
    """Return what looks at outputs of which the layers do not say the range; None: there is nothing to look for."""
    wanted = _wanted(loss)
    if output.span is not None or wanted is None:
        return None

    def look(y: Array) -> str | None:
        if not y.size:
            return None
        low, high = float(y.min()), float(y.max())
        sums = y.sum(axis=-1) if wanted.distribution else np.ones(1)
        others = sums[np.abs(sums - 1) > _TOLERANCE]
        if low < wanted.low - _TOLERANCE or high > wanted.high + _TOLERANCE:
            found = f"{low if low < wanted.low - _TOLERANCE else high:.6g}"
        elif others.size:
            found = f"outputs that add up to {float(others.flat[0]):.6g}"
        else:
            return None
        return (
            f"{name}: expected {wanted} from the network, but its last layer, {output.layer!r}, gave {found}; "
            f"{loss.remedy}"
        )

    return look


def _wanted(loss: Loss) -> Span | None:
    """Return where outputs have to lie; None: anywhere."""
    if loss.expects == "probabilities" and loss.answers == "class":
        return Span(0, 1, distribution=True)
    return _RANGES.get(loss.expects)


def _limited(loss: Loss, given: Span) -> bool:
    low, high = given.low, given.high
    if loss.expects == "probabilities":
        return high < 1 - _REACH or (low > _REACH and not given.distribution)
    if loss.expects == "rates":
        return low > _REACH or high < inf
    if loss.expects == "scores":
        return loss.answers == "labels" and not low < 0 < high
    if loss.expects == "logits" and loss.answers == "class":
        return high - low < _WIDE
    return loss.expects in ("logits", "log_rates") and (low > -inf or high < inf)
