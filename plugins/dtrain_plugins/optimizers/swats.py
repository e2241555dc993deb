from __future__ import annotations

from math import inf, isfinite, sqrt
from typing import Any

import numpy as np

from dtrain import Array, Optimizer, UpdateContext

from ..ranges import BelowOne, Positive


class Swats(Optimizer):
    """Adam, θ ← θ + p, that turns by itself into SGD with momentum: v ← β₁·v + g; θ ← θ − (1−β₁)·Λ·v.

    p = −η·√(1−β₂ᵗ)/(1−β₁ᵗ)·m/(√a + ε); m ← β₁m + (1−β₁)g, a ← β₂a + (1−β₂)g², t the number of the update from 1 (ε is
    added before the correction, unlike `adam`'s). γ = p·p/(−p·g), over all parameters, is the rate of the SGD
    whose step, projected on Adam's, is p. λ ← β₂λ + (1−β₂)γ is its average, which stays where p·g = 0. When
    t > 1 and |λ/(1−β₂ᵗ) − γ| < tolerance, Adam makes its last step, and Λ = λ/(1−β₂ᵗ) is the rate from then on
    (a Λ ≤ 0 is passed over, which the paper leaves unsaid). A schedule of lr goes on: Λ is taken times lr/(lr at
    the switch).

    lr: η > 0. beta_1, beta_2: in [0, 1). epsilon: ε > 0. tolerance: > 0, in units of a rate; the paper's is its ε,
    so small that it is rarely met: 1e-5 is what many take. Two slots: `m`, in which v lies after the switch, and
    `a`. The attribute `rate` is Λ, None before the switch. Raises ValueError for an option out of range.

    Keskar & Socher, "Improving generalization performance by switching from Adam to SGD", 2017, algorithm 1.
    """

    slots = ("m", "a")
    sums_over = "all"
    examples = [{}, {"lr": 0.01, "beta_1": 0.8, "beta_2": 0.9, "epsilon": 1e-6, "tolerance": 10.0}]

    def __init__(
        self,
        lr: Positive = 1e-3,
        beta_1: BelowOne = 0.9,
        beta_2: BelowOne = 0.999,
        epsilon: Positive = 1e-9,
        tolerance: Positive = 1e-9,
    ) -> None:
        self.lr, self.beta_1, self.beta_2, self.epsilon, self.tolerance = (
            lr,
            beta_1,
            beta_2,
            epsilon,
            tolerance,
        )
        self.rate: float | None = None
        self._average, self._last, self._lr = 0.0, 0, lr

    def sums(self) -> int:
        return 2 if self.rate is None else 0

    def measure(
        self, value: Array, gradient: Array, context: UpdateContext, *slots: Array
    ) -> tuple[tuple[Array, Array], ...]:
        m, a = slots
        t = np.multiply(gradient, 1 - self.beta_1, out=context.empty(len(value)))
        m *= self.beta_1
        m += t
        np.multiply(gradient, gradient, out=t)
        t *= 1 - self.beta_2
        a *= self.beta_2
        a += t
        p = self._step(m, a, context)
        return (p, gradient), (p, p)

    def _step(self, m: Array, a: Array, context: UpdateContext) -> Array:
        root = np.sqrt(a, out=context.empty(len(a)))
        root += self.epsilon
        p = np.divide(m, root, out=root)
        p *= -self.lr * sqrt(1 - self.beta_2**context.step) / (1 - self.beta_1**context.step)
        return p

    def decide(self, step: int, sums: tuple[float, ...]) -> None:
        p_g, p_p = sums
        gamma = p_p / -p_g if p_g else inf
        if not isfinite(gamma):
            return
        self._average = self.beta_2 * self._average + (1 - self.beta_2) * gamma
        rate = self._average / (1 - self.beta_2**step)
        if step > 1 and rate > 0 and abs(rate - gamma) < self.tolerance:
            self.rate, self._last, self._lr = rate, step, self.lr

    def update(self, value: Array, gradient: Array, context: UpdateContext, *slots: Array) -> None:
        m, a = slots
        if self.rate is None or context.step == self._last:
            value += self._step(m, a, context)
            if self.rate is not None:
                m.fill(0)
            return
        m *= self.beta_1
        m += gradient
        value -= np.multiply(
            m, (1 - self.beta_1) * self.rate * (self.lr / self._lr), out=context.empty(len(m))
        )

    def state(self) -> dict[str, Any]:
        return {"rate": self.rate, "average": self._average, "last": self._last, "lr": self._lr}

    def load_state(self, state: dict[str, Any]) -> None:
        self.rate = None if state["rate"] is None else float(state["rate"])
        self._average, self._last, self._lr = float(state["average"]), int(state["last"]), float(state["lr"])
