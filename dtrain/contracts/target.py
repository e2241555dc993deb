"""The targets of some samples, and what they can be read as."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from dtrain.errors import shortlist

from .schema import Schema, TargetKind

if TYPE_CHECKING:
    from dtrain.types import Array, Shape

    from .output import Output

WORDS: dict[str, str] = {
    "number": "numbers",
    "class": "classes",
    "distribution": "distributions over classes",
    "labels": "labels (0 and 1, or -1 and 1)",
}
"""What a message calls targets of a kind."""

SUM_TOLERANCE = 1e-3
"""How far the sum of a distribution may be from 1."""

_IMPLIED: dict[str, tuple[str, ...]] = {
    "": tuple(WORDS),
    "number": ("number", "labels", "distribution"),
    "class": ("class", "labels", "number"),
    "distribution": ("distribution", "labels", "number"),
    "labels": ("labels", "number"),
}
"""What a target can be read as, by what its source says; a class as labels or a number only if it is 0 or 1."""


class Misread(ValueError):
    """Targets that are none of the kinds that a part takes."""


class Target:
    """Targets of some samples, (n, …), with what their source says of them.

    A loss, a metric or a transform gets them in its `check`, before the first step: all of them if they are in
    memory, else batch by batch. Whatever is asked of targets that the data do not have raises ValueError.
    """

    def __init__(self, values: Array | None, schema: Schema = Schema()) -> None:  # noqa: B008 (it is frozen)
        self._values, self.schema = values, schema
        self._reasons: dict[str, str] = {}

    @property
    def values(self) -> Array:
        """The targets as they are stored, (n, …)."""
        if self._values is None:
            raise ValueError("expected a target for every sample, got data without targets")
        return self._values

    @property
    def missing(self) -> bool:
        """Whether the data have no targets."""
        return self._values is None

    @property
    def shape(self) -> Shape:
        """The shape of the target of one sample."""
        return self.values.shape[1:]

    @cached_property
    def low(self) -> Any:
        """The least of all numbers; 0 if there is none."""
        return self.values.min() if self.values.size else 0

    @cached_property
    def high(self) -> Any:
        """The greatest of all numbers; 0 if there is none."""
        return self.values.max() if self.values.size else 0

    def reason(self, kind: TargetKind) -> str:
        """Return why they cannot be read as this kind, as the end of a sentence about the target; "": they can."""
        if kind not in self._reasons:
            self._reasons[kind] = self._by_source(kind) or _REASONS[kind](self)
        return self._reasons[kind]

    def fits(self, kind: TargetKind, output: Output) -> bool:
        """Return whether type, values, source and shape allow to read them as this kind for this output."""
        return not self.reason(kind) and self.shape in _shapes(kind, output.shape)

    def read(self, kinds: Sequence[TargetKind], output: Output) -> TargetKind:
        """Return the first of these kinds that fits type, values, source and the shape of the network's output.

        "number", "labels": the shape of the output; (n,) for a single output. "distribution": the shape of the output,
        (…, K). "class": without the last dimension, 0 … K−1. Raises Misread, a ValueError, if none fits.
        """
        fitting = [kind for kind in kinds if self.fits(kind, output)]
        for kind in fitting:
            if kind != "class" or self.high < output.shape[-1]:
                return kind
        if fitting:
            raise self._beyond(output.shape[-1])
        reasons = dict.fromkeys(self._explained(kind, output.shape) for kind in kinds)
        raise Misread(
            f"expected {' or '.join(WORDS[kind] for kind in kinds)} for a network that gives {output.shape} a sample, "
            f"but {self._name} {', and '.join(reasons)}"
        )

    @property
    def _name(self) -> str:
        names = self.schema.targets
        return f"the target {names[0]!r}" if len(names) == 1 else "the target"

    def _by_source(self, kind: TargetKind) -> str:
        classes, said = self.schema.classes, self.schema.target_kind
        if classes:
            if kind == "class" or (kind == "labels" and len(classes) == 2):
                return ""
            return f"is text with the classes {shortlist(classes)}"
        if kind not in _IMPLIED[said] or (said == "class" and kind == "number" and self.reason("labels")):
            return f"holds {WORDS[said]}, as its source says"
        return ""

    def _explained(self, kind: TargetKind, output: Shape) -> str:
        """Return why they cannot be read as this kind for this output: source, then shape, then values."""
        shapes = _shapes(kind, output)
        if self._by_source(kind) or self.shape in shapes:
            return self.reason(kind)
        return f"has shape {self.shape}, not {' or '.join(map(str, shapes)) or 'one for outputs (…, K)'}"

    def _beyond(self, outputs: int) -> ValueError:
        classes = self.schema.classes
        found = f"{self.high}, {classes[self.high]!r}" if self.high < len(classes) else f"{self.high}"
        return ValueError(
            f"expected classes 0 to {outputs - 1}, one for each output of the network, but {self._name} holds {found}; "
            "correct the data, or give the last layer more units"
        )

    def _no_number(self) -> str:
        return "" if self.values.dtype.kind in "iuf" else f"is {self.values.dtype}"

    def _no_class(self) -> str:
        if self.values.dtype.kind not in "biu":
            return f"is {self.values.dtype}, not whole numbers"
        return "" if self.low >= 0 else f"holds {self.low}"

    def _no_labels(self) -> str:
        if self.values.dtype.kind not in "biuf":
            return f"is {self.values.dtype}"
        if self.low >= 0 and self.high <= 1:
            return ""
        values = self.values
        others = values[~((values == 1) | (values == -1))]
        if not others.size:
            return ""
        mixed = (others == 0).any() and self.low == -1 and self.high == 1
        return "holds -1, 0 and 1 together" if mixed else f"holds {_worst(others)}"

    def _no_distribution(self) -> str:
        values = self.values
        if values.dtype.kind not in "biuf":
            return f"is {values.dtype}"
        if values.ndim < 2 or values.shape[-1] < 2:
            return f"has shape {self.shape}, not (…, K) for K classes"
        if not self.low >= 0:
            return f"holds {self.low}"
        totals = values.sum(axis=-1).reshape(-1)
        off = ~(np.abs(totals - 1.0) <= SUM_TOLERANCE)
        return f"adds up to {totals[off.argmax()]:.6g}, not to 1" if off.any() else ""


_REASONS = {
    "number": Target._no_number,
    "class": Target._no_class,
    "labels": Target._no_labels,
    "distribution": Target._no_distribution,
}


def _shapes(kind: TargetKind, output: Shape) -> list[Shape]:
    """Return the shapes of targets of this kind for a network that gives this."""
    if kind == "class":
        return [output[:-1]] if output else []
    if kind == "distribution" or prod(output) != 1 or not output:
        return [output]
    return [output, ()]


def _worst(others: Array) -> Any:
    return others[np.abs(others).argmax()]
