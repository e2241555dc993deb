from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Literal

import numpy as np

from dtrain import Array, Backward, Context, Layer, Maker, Shape, Span

from .chain import Chain, total


class Parallel(Layer):
    """Branches side by side on one input: y = [f₁(x), f₂(x), …] or f₁(x) + f₂(x) + …, each f layers in a row.

    x: (rows, …) → y: (rows, …, Σ d_i) for "concat", the outputs side by side in the last dimension, d_i wide,
    the others alike; for "sum" the shape that all branches give. dx is the sum over the branches.

    branches: at least one list of names or tables of layers; an empty one is the identity. join: "concat"
    (default) or "sum". Raises ValueError for no branch, for shapes that do not fit, and for layers that name
    `inputs`.

    Szegedy et al., "Going deeper with convolutions", 2015 (concat); Srivastava, Greff & Schmidhuber, "Highway
    networks", 2015 (sum, here without gates).
    """

    examples = [
        {"branches": [[], [{"name": "dense", "units": 3}, "tanh"]]},
        {"branches": [[{"name": "dense", "units": 3}], [{"name": "dense", "units": 3}]], "join": "sum"},
        {"branches": [["tanh"], ["sigmoid"]], "input": (2, 3)},
    ]

    def __init__(self, branches: list[list[Layer]], join: Literal["concat", "sum"] = "concat") -> None:
        if not branches:
            raise ValueError("parallel needs at least one branch, got []")
        self.chains = [Chain(layers, f"{number}.") for number, layers in enumerate(branches, start=1)]
        self.join = join

    def build(self, shape: Shape, make: Maker) -> Shape:
        shapes = [chain.build(shape, make) for chain in self.chains]
        if self.join == "sum":
            if any(out != shapes[0] for out in shapes):
                raise ValueError(
                    f"parallel adds its branches, which must give one shape, got {_listed(shapes)}"
                )
            return shapes[0]
        if not all(shapes) or any(out[:-1] != shapes[0][:-1] for out in shapes):
            raise ValueError(
                "parallel joins its branches in the last dimension, so that the others must be alike, "
                f"got {_listed(shapes)}"
            )
        self.ends = [0, *accumulate(out[-1] for out in shapes)]
        return (*shapes[0][:-1], self.ends[-1])

    def output_span(self, taken: Span | None) -> Span | None:
        ranges = [chain.output_span(taken) for chain in self.chains]
        if len(ranges) == 1:
            return ranges[0]
        known = [one for one in ranges if one is not None]
        if self.join == "sum" or len(known) < len(ranges):
            return total(ranges) if self.join == "sum" else None
        return Span(min(one.low for one in known), max(one.high for one in known))

    def forward(self, x: Array, context: Context) -> tuple[Array, Backward]:
        outputs, inner = zip(*(chain.forward(x, context) for chain in self.chains), strict=True)
        if self.join == "sum":
            y = _added(outputs, context)
        else:
            y = context.empty((*outputs[0].shape[:-1], self.ends[-1]), x.dtype)
            np.concatenate(outputs, axis=-1, out=y)

        def backward(dy: Array) -> Array:
            if self.join == "sum":
                parts = [dy] * len(inner)
            else:
                parts = [_copied(dy[..., a:b], context) for a, b in pairwise(self.ends)]
            return _added([back(part) for back, part in zip(inner, parts, strict=True)], context)

        return y, backward


def _copied(x: Array, context: Context) -> Array:
    out = context.empty(x.shape, x.dtype)
    np.copyto(out, x)
    return out


def _added(arrays: Sequence[Array], context: Context) -> Array:
    total = _copied(arrays[0], context)
    for array in arrays[1:]:
        total += array
    return total


def _listed(shapes: list[Shape]) -> str:
    return " and ".join(map(str, shapes))
