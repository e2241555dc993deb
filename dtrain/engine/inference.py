"""Inference: what a network makes of a row depends on that row alone, to the bit."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from dtrain.random import SampleStreams

from .context import Context
from .products import RowProducts

if TYPE_CHECKING:
    from dtrain.types import Array

    from .network import Network

LEAST, MOST = 64, 256
"""Rows of a block: enough for BLAS, unless a batch has fewer; beyond, little is gained."""

WORK = 1 << 22
"""Multiplications of a block beside which the calls of a pass no longer count."""


def block_rows(network: Network, rows: int) -> int:
    """Returns the size of the blocks in which inference takes samples: a power of two, fixed by the config.

    Few rows cost as much as a block does; many cost the calls of a pass for each block. rows: a micro-batch's: so
    many have room in memory; blocks of more are those of small networks.
    """
    work = sum(
        prod(node.shape[:-1]) * sum(p.size for p in node.parameters) + prod(node.shape)
        for node in network.nodes
    )
    size = min(MOST, max(WORK // max(work, 1), min(LEAST, max(rows, 1))))
    return 1 << (size.bit_length() - 1)


class InferenceContext(Context):
    """A context in which nothing crosses rows: products in which all rows are alike, and no totals.

    Passes are over blocks of one shape, whatever the number of samples: NumPy's own loops, too, may add in another
    order where a shape differs.
    """

    def __init__(self, seed: int, products: RowProducts) -> None:
        super().__init__(_NoTotals(self), SampleStreams(seed))  # type: ignore[arg-type]
        self._products = products

    def matmul(self, x: Array, w: Array, out: Array | None = None) -> Array:
        if out is None:
            out = self.empty((*x.shape[:-1], w.shape[1]), np.result_type(x, w))
        self._products.multiply(x, w, out)
        return out


class _NoTotals:
    """Stands where the totals over the ranks would."""

    leaves, first = 1, 0

    def __init__(self, context: Context) -> None:
        self._context = context

    def add(self, partials: Array) -> Any:
        raise RuntimeError(
            f"layer {self._context.layer!r} asked for a total over rows in inference, where a row's result depends "
            "on that row alone; keep what inference needs in a state"
        )

    max = add
