"""Gradients that set out in the midst of the backward pass: each bucket as soon as all that touches it is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .gradients import Gradients

if TYPE_CHECKING:
    from dtrain.parameter import FlatLayout, Parameter
    from dtrain.types import Array, GradientOf

    from .buckets import Buckets


class Departing(Gradients):
    """Gradients whose buckets are told when they are complete, and helped on between shards.

    A bucket with a parameter that gets no gradient in this step sets out at the end of the pass.
    """

    def __init__(self, layout: FlatLayout, buckets: Buckets, first: int, last: int, shards: int) -> None:
        super().__init__(layout, buckets.nodes, first, last, shards)
        self._buckets = buckets
        self._touched = {
            p.name: [
                bucket.number
                for bucket in buckets.buckets
                if p.offset < bucket.place.stop and bucket.place.start < p.offset + p.size
            ]
            for p in self._parameters
            if p.uses
        }
        self._expected = [0] * len(buckets.buckets)
        for numbers in self._touched.values():
            for number in numbers:
                self._expected[number] += 1
        self._missing: list[int] = []
        self._seen: dict[str, int] = {}

    def begin(self, slices: list[slice]) -> None:
        super().begin(slices)
        self._clear_idle()
        self._missing = list(self._expected)
        self._seen.clear()

    def add(self, parameter: Parameter, of: GradientOf) -> None:
        poke = self._buckets.poke

        def of_shard(rows: slice, out: Array) -> None:
            of(rows, out)
            poke()

        if parameter.name in self._touched:
            self._count(parameter)
            super().add(parameter, of_shard)
            self._tell(parameter)

    def add_total(self, parameter: Parameter, total: Array) -> None:
        if parameter.name in self._touched:
            self._count(parameter)
            super().add_total(parameter, total)
            self._tell(parameter)

    def end(self) -> None:
        for parameter in self._parameters:
            if parameter.uses > self._seen.get(parameter.name, 0) > 0:
                self._fold_leaves(parameter)
        self._clear_missing()
        self._buckets.start_rest()

    def _count(self, parameter: Parameter) -> None:
        seen = self._seen[parameter.name] = self._seen.get(parameter.name, 0) + 1
        if seen > parameter.uses:  # its bucket has set out
            raise RuntimeError(
                f"parameter {parameter.name!r} got {seen} gradients in one step, where the trial pass on an empty "
                f"batch saw {parameter.uses}; a layer must call context.gradient equally often for any batch"
            )

    def _tell(self, parameter: Parameter) -> None:
        """Starts the buckets to which nothing is missing any more."""
        if self._seen[parameter.name] < parameter.uses:
            return
        if parameter.uses > 1:
            self._fold_leaves(parameter)
        for number in self._touched[parameter.name]:
            self._missing[number] -= 1
            if not self._missing[number]:
                self._buckets.start(number)
