"""The one door of targets: whether the loss, the metrics and the transforms take them, asked before the first step."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeAlias

from dtrain.contracts import Loss, Metric, Schema, Target, Transform
from dtrain.contracts.target import Misread
from dtrain.errors import listed

if TYPE_CHECKING:
    from dtrain.contracts import Output
    from dtrain.registry import Registry
    from dtrain.types import Array

Part: TypeAlias = Loss | Metric | Transform

WHERE = {"losses": "[loss]", "metrics": "[train] metrics,", "transforms": "[data] transform,"}
"""Where the config names a part of this kind."""


class Fit:
    """Raises ValueError, naming the part, for targets that do not fit; called with all of them or with a batch.

    registry: what the parts are called, and which others take the targets. output: of the network. schema: what the
    source of the targets says of them. Metrics and transforms get to know the loss here.
    """

    def __init__(
        self,
        registry: Registry,
        output: Output,
        loss: Loss,
        metrics: Iterable[Metric] = (),
        transforms: Iterable[Transform] = (),
        schema: Schema = Schema(),  # noqa: B008 (it is frozen)
    ) -> None:
        others: list[Metric | Transform] = [*metrics, *transforms]
        for part in others:
            part.loss = loss
        self._parts: list[Part] = [loss, *others]
        self._registry, self._output, self._schema = registry, output, schema

    def __call__(self, y: Array | None) -> None:
        target = Target(y, self._schema)
        for part in self._parts:
            try:
                check_part(part, target, self._output)
            except ValueError as error:
                advice = self._advice(part, target) if isinstance(error, Misread) else ""
                raise ValueError(f"{named(self._registry, part)}: {error}{advice}") from error

    def _advice(self, part: Part, target: Target) -> str:
        """Return which other parts of this kind take these targets."""
        entry = self._registry.owner(part)
        if entry is None:
            return ""
        cells = "; if its cells are numbers, correct them" if self._schema.classes else ""
        able = [name for name in self._registry.names(entry.kind) if self._takes(entry.kind, name, target)]
        able = [name for name in able if name != entry.name]
        return f"{cells}; {entry.kind} that take it: {listed(able)}" if able else cells

    def _takes(self, kind: str, name: str, target: Target) -> bool:
        takes = getattr(self._registry.factory(kind, name), "takes", ())
        return any(target.fits(one, self._output) for one in takes)


def check_part(part: Part, target: Target, output: Output) -> None:
    """Raise ValueError if the part does not take these targets for this output."""
    if isinstance(part, Transform):
        if not target.missing:
            part.check(target, output)
        return
    if part.takes:
        target.read(part.takes, output)
    part.check(target, output)


def named(registry: Registry, part: object) -> str:
    """Return how messages call a part of the config: `[loss] mse`."""
    entry = registry.owner(part)
    return type(part).__name__ if entry is None else f"{WHERE[entry.kind]} {entry.name}"
