from __future__ import annotations

from dtrain import Array

from .elementwise import Curve, Dipping, logistic


class Silu(Dipping):
    """y = x·σ(x), also called swish; dx = dy·(σ(x) + y·(1 − σ(x))). x: (rows, …) → y: the same shape.

    Elfwing, Uchibe & Doya, "Sigmoid-weighted linear units for neural network function approximation in
    reinforcement learning", 2017; Ramachandran, Zoph & Le, "Searching for activation functions", 2017.
    """

    aliases = ("swish",)
    least = -0.28

    def curve(self, x: Array) -> Curve:
        s = logistic(x)
        y = x * s
        return y, lambda: s + y * (1 - s)
