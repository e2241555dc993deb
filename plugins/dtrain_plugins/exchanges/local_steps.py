"""Several steps by oneself, then a mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dtrain import ValueExchange

from ..ranges import BelowOne, Count, Positive
from .scatter import collect, scatter

if TYPE_CHECKING:
    from dtrain import Moves, ValuePart


class LocalSteps(ValueExchange):
    """Ranks train by themselves for `interval` updates, then go on from the mean of their parameters.

    At a meeting, w̄ = mean of the ranks' values, w₀ the values at the last meeting:
      Δ = w₀ − w̄;  m ← μ·m + Δ;  w ← w₀ − η·m, or w₀ − η·(Δ + μ·m) with nesterov.
    η = 1, μ = 0, the defaults, is plain averaging: local SGD (Stich, "Local SGD converges fast and communicates
    little", 2019). η = 0.7, μ = 0.9 with nesterov and 50 to 500 updates of adamw is DiLoCo (Douillard et al., "DiLoCo:
    distributed low-communication training of language models", 2023). The mean is added in float64, in the order of
    ranks. The optimizer's slots stay each rank's own.

    P numbers travel twice every `interval` updates, instead of every update. Batch statistics are of a rank's own rows:
    1/N of the batch. The result depends on the number of ranks; so may the learning rate that suits.

    interval: updates between two meetings, ≥ 1. outer_lr: η > 0. outer_momentum: μ in [0, 1). nesterov: looks ahead.
    """

    examples = [
        {},
        {"interval": 3, "outer_lr": 0.7, "outer_momentum": 0.9, "nesterov": True},
        {"interval": 1, "outer_momentum": 0.5},
    ]

    def __init__(
        self,
        interval: Count = 8,
        outer_lr: Positive = 1.0,
        outer_momentum: BelowOne = 0.0,
        nesterov: bool = False,
    ) -> None:
        if nesterov and not outer_momentum:
            raise ValueError("nesterov needs an outer_momentum above 0, got 0")
        self.interval, self.outer_lr, self.outer_momentum = interval, outer_lr, outer_momentum
        self.nesterov = nesterov
        if outer_momentum:
            self.slots = ("momentum",)

    def meet(self, part: ValuePart) -> Moves[None]:
        value = part.value
        received = yield from scatter(part, value)
        own = (np.add.reduce(received, axis=0, dtype=np.float64) / part.size).astype(value.dtype)
        mean = yield from collect(part, own, len(value))
        if self.outer_lr == 1 and not self.outer_momentum:
            value[:] = mean  # w₀ − (w₀ − w̄) would be rounded
            return
        step = part.start - mean
        if self.outer_momentum:
            m = part.slots["momentum"]
            m *= self.outer_momentum
            m += step
            step = step + self.outer_momentum * m if self.nesterov else m
        np.subtract(part.start, self.outer_lr * step, out=value)
