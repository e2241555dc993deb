"""The exact exchange, during the backward pass."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dtrain import GradientExchange

if TYPE_CHECKING:
    from dtrain import GradientPart, Moves


class Overlap(GradientExchange):
    """The exact exchange in buckets that travel while the backward pass goes on: the bits of `exact`.

    As many numbers travel as in `exact`; each rank then updates all parameters for itself, which takes the time of
    N slices. For links that are slow beside the backward pass (Li et al., "PyTorch Distributed: experiences on
    accelerating data parallel training", 2020, §3.2); on one host there is nothing to hide, and `exact` is faster.

    bucket: MiB of gradient in a bucket, > 0. overlap: whether buckets set out during the backward pass.
    """

    exact = True
    examples = [{}, {"bucket": 1 / 256, "overlap": False}]

    def __init__(self, bucket: float = 1.0, overlap: bool = True) -> None:
        super().__init__(bucket, overlap)

    def total(self, part: GradientPart) -> Moves[None]:
        yield from part.exact()
