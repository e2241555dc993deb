"""Gradients in 16 bits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dtrain import GradientExchange

from .scatter import collect, scatter, stretch

if TYPE_CHECKING:
    from dtrain import Array, GradientPart, Moves


class Bf16(GradientExchange):
    """Gradients and their total travel as bfloat16: half of the bytes of float32, a quarter of float64.

    h = g + e; each rank sends round(h), and adds the stretch that is its own in the run's dtype, rank by rank:
    t = Σᵣ roundᵣ(h), its own h as it is; all ranks get round(t). e ← h − what was sent, and t − round(t) on the own
    stretch: what rounding took off goes with the next gradient (error feedback: Seide, Fu, Droppo, Li & Yu, "1-bit
    stochastic gradient descent", 2014; Karimireddy, Rebjock, Stich & Jaggi, 2019). bfloat16 keeps the range of
    float32 and 8 of its 24 bits (Kalamkar et al., "A study of bfloat16 for deep learning training", 2019);
    rounding is to the nearest, ties to even. One rank has nothing to round.

    The result depends on the number of ranks. feedback: whether e is kept; without it, it is 0. bucket: MiB of
    gradient in a bucket, > 0. overlap: whether buckets set out during the backward pass.
    """

    slots: tuple[str, ...] = ("residual",)
    examples = [{}, {"feedback": False, "bucket": 1 / 256, "overlap": True}]

    def __init__(self, feedback: bool = True, bucket: float = 1.0, overlap: bool = False) -> None:
        super().__init__(bucket, overlap)
        self.feedback = feedback
        if not feedback:
            self.slots = ()

    def total(self, part: GradientPart) -> Moves[None]:
        gradient = part.gradient
        if part.size == 1:
            return
        residual = part.slots["residual"] if self.feedback else None
        if residual is not None:
            gradient += residual
        own = stretch(len(gradient), part.size, part.rank)
        sent = rounded(gradient)
        received = yield from scatter(part, sent)
        total = np.zeros(own.stop - own.start, gradient.dtype)
        for rank, numbers in enumerate(received):
            total += gradient[own] if rank == part.rank else widened(numbers)
        result = rounded(total)
        if residual is not None:
            np.subtract(gradient, widened(sent), out=residual)
            np.subtract(total, widened(result), out=residual[own])
        every = yield from collect(part, result, len(gradient))
        gradient[:] = widened(every)


def rounded(x: Array) -> Array:
    """Returns x as the upper halves of float32, uint16: to the nearest, ties to even; beyond 3.39e38 infinite."""
    bits = x.astype(np.float32).view(np.uint32)  # a copy
    bits += np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))
    bits >>= np.uint32(16)
    return bits.astype(np.uint16)


def widened(halves: Array) -> Array:
    """Returns what `rounded` has left, as float32."""
    bits = halves.astype(np.uint32)
    bits <<= np.uint32(16)
    return bits.view(np.float32)
