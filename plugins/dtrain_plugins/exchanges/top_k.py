"""The largest elements of the gradient alone."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

import numpy as np

from dtrain import GradientExchange

from ..ranges import AboveZero

if TYPE_CHECKING:
    from dtrain import GradientPart, Moves


class TopK(GradientExchange):
    """Each rank sends the k elements of its gradient that are largest by magnitude, and keeps the others for later.

    h = g + e; the k largest |h| of a bucket of n travel, k = ⌈ratio·n⌉, as index and value; e ← h where it has not
    travelled, 0 where it has. All ranks add what has come, in the order of ranks (Stich, Cordonnier & Jaggi,
    "Sparsified SGD with memory", 2018; Aji & Heafield, "Sparse communication for distributed gradient descent", 2017).
    A rank gets (N−1)·k·(4 + bytes of a number): less than `exact` for ratios below about 1/N.

    The result depends on the number of ranks, and on the buckets. ratio: in (0, 1]. bucket: MiB of gradient in a
    bucket, > 0. overlap: whether buckets set out during the backward pass.
    """

    slots = ("residual",)
    examples = [{}, {"ratio": 0.3, "bucket": 1 / 256, "overlap": True}, {"ratio": 1.0}]

    def __init__(self, ratio: AboveZero = 0.01, bucket: float = 1.0, overlap: bool = False) -> None:
        super().__init__(bucket, overlap)
        self.ratio = ratio

    def total(self, part: GradientPart) -> Moves[None]:
        gradient, residual = part.gradient, part.slots["residual"]
        residual += gradient
        n = len(residual)
        k = ceil(self.ratio * n)
        largest = np.sort(np.argpartition(np.abs(residual), n - k)[n - k :])
        own = np.empty(k, [("index", np.int32), ("value", gradient.dtype)])
        own["index"], own["value"] = largest, residual[largest]
        residual[largest] = 0
        every = yield from part.gather(own)
        gradient.fill(0)
        for sent in every:
            gradient[sent["index"]] += sent["value"]
