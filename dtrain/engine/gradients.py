"""Where the gradients of a rank's shards are added, as soon as both halves of a tree node are there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from .tree import Node, children, cover

if TYPE_CHECKING:
    from dtrain.parameter import FlatLayout, Parameter
    from dtrain.types import Array, GradientOf


Leaf: TypeAlias = "tuple[Array, list[tuple[Array, Array]]]"
"""Where a shard's gradient is written, and the additions (a += b) that it makes possible."""


class Gradients:
    """Flat gradient arrays, one for each node of the cover of this rank's shards, and scratch a tree level.

    A parameter with several uses in one step (tied weights, a layer used twice) is added up shard by shard
    first, so that the order of additions does not depend on how shards lie on ranks.
    """

    def __init__(
        self, layout: FlatLayout, nodes: Sequence[Array], first: int, last: int, shards: int
    ) -> None:
        nodes_of = cover(first, last, shards)
        self._first = first
        self._parameters = [p for p in layout.parameters if p.trainable]
        self._idle = [p for p in layout.parameters if not (p.trainable and p.uses)]
        self._due = sum(p.uses > 0 for p in self._parameters)
        self._done = 0
        depth = max((b - a - 1).bit_length() for a, b in nodes_of)
        dtype = nodes[0].dtype
        self._zero = np.zeros((), dtype)
        widest = max((p.size for p in layout.parameters), default=0)
        scratch = [np.empty(widest, dtype) for _ in range(depth)]
        self._folds: dict[str, list[Leaf]] = {}
        self._leaves: dict[str, Array] = {}
        for p in layout.parameters:
            p._grads = [layout.view(node, p) for node in nodes]
            p._stamp = -1
            levels = [level[: p.size].reshape(p.shape) for level in scratch]
            self._folds[p.name] = [
                leaf
                for node, out in zip(nodes_of, p._grads, strict=True)
                for leaf in _leaves_of(node, out, levels)
            ]
            if p.uses > 1 and p.trainable:
                self._leaves[p.name] = np.zeros((last - first + 1, *p.shape), dtype)
        self._step = 0
        self.slices: list[slice] = []

    def begin(self, slices: list[slice]) -> None:
        """Starts a backward pass over these local shards."""
        self.slices = slices
        self._step += 1
        self._done = 0

    def add(self, parameter: Parameter, of: GradientOf) -> None:
        """Calls of(rows, out) for each local shard and folds the results in tree order."""
        if parameter.trainable and self._is_first(parameter):
            for rows, (out, additions) in zip(self.slices, self._folds[parameter.name], strict=True):
                of(rows, out)
                for a, b in additions:
                    np.add(a, b, a)
        elif parameter.trainable:
            self._add_use(parameter, of)

    def add_total(self, parameter: Parameter, total: Array) -> None:
        """Takes in a gradient that is a total over all shards already: it counts as the first shard's."""
        if parameter.trainable and self._is_first(parameter):
            first, *others = parameter._grads
            if self._first == 0:
                # −0 becomes 0, as beside other ranks' zeros.
                np.add(total, self._zero, first, casting="same_kind")
            else:
                first.fill(0)
            for out in others:
                out.fill(0)
        elif parameter.trainable:
            shard = iter(range(self._first, self._first + len(self.slices)))
            self._add_use(parameter, lambda _, out: np.multiply(total, next(shard) == 0, out))

    def _is_first(self, parameter: Parameter) -> bool:
        """Notes a gradient; tells whether its parameter has one use in a step."""
        if parameter.uses > 1:
            return False
        if parameter._stamp == self._step:
            raise RuntimeError(
                f"parameter {parameter.name!r} got two gradients in one step, where the trial pass on an "
                "empty batch saw one; a layer must call context.gradient equally often for any batch"
            )
        parameter._stamp = self._step
        self._done += 1
        return True

    def _add_use(self, parameter: Parameter, of: GradientOf) -> None:
        leaves = self._leaves[parameter.name]
        fresh = parameter._stamp != self._step
        parameter._stamp = self._step
        self._done += fresh
        for i, rows in enumerate(self.slices):
            if fresh:
                of(rows, leaves[i])
            else:
                of(rows, leaves[-1])
                np.add(leaves[i], leaves[-1], out=leaves[i])

    def end(self) -> None:
        """Ends the backward pass: folds parameters of several uses, zeroes those that got no gradient."""
        for parameter in self._parameters if self._leaves else ():
            if parameter.name in self._leaves and parameter._stamp == self._step:
                self._fold_leaves(parameter)
        self._clear_idle()
        self._clear_missing()

    def _clear_idle(self) -> None:
        for parameter in self._idle:  # what a regularizer or an optimizer left there must not add up
            for grad in parameter._grads:
                grad.fill(0)

    def _clear_missing(self) -> None:
        if self._done != self._due:
            for parameter in self._parameters:
                if parameter._stamp != self._step:
                    for grad in parameter._grads:
                        grad.fill(0)

    def _fold_leaves(self, parameter: Parameter) -> None:
        sums = self._leaves[parameter.name][: len(self.slices)]
        for leaf, (out, additions) in zip(sums, self._folds[parameter.name], strict=True):
            np.copyto(out, leaf)
            for a, b in additions:
                np.add(a, b, a)


def _leaves_of(node: Node, out: Array, scratch: list[Array]) -> list[Leaf]:
    """Returns how the leaves of a node are folded into `out`; each further level takes an array of scratch."""
    if node[1] - node[0] == 1:
        return [(out, [])]
    left, right = children(node)
    leaves = _leaves_of(left, out, scratch) + _leaves_of(right, scratch[0], scratch[1:])
    leaves[-1][1].append((out, scratch[0]))
    return leaves
