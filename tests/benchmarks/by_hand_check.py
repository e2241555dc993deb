"""The step of `by_hand.py` as plainly as can be, in float64 on the whole batch, and the comparison."""

from __future__ import annotations

from typing import Any

import nets
import numpy as np
from by_hand import Hidden, Network

NET = nets.Net(20, (16, 12), 5, rows=6, batches=4, epochs=3, ddp_over_dtrain=0, single_over_dtrain=0)


class Slow:
    """Whole batch, float64, textbook Adam, every formula as in its paper."""

    def __init__(self, weights, bias, gammas, betas) -> None:
        self.depth = len(gammas)
        self.values = [np.array(value, np.float64) for value in (*weights, bias, *gammas, *betas)]
        self.m, self.v = ([np.zeros_like(value) for value in self.values] for _ in range(2))
        self.running = [np.stack([np.zeros(gamma.size), np.ones(gamma.size)]) for gamma in gammas]
        self.count = 0

    def parts(self, values):
        d = self.depth
        return values[: d + 1], values[d + 1], values[d + 2 : 2 * d + 2], values[2 * d + 2 :]

    def step(self, x, target) -> tuple[float, int]:
        weights, bias, gammas, betas = self.parts(self.values)
        n, kept = len(x), []
        for i in range(self.depth):
            h = x @ weights[i]
            mean, variance = h.mean(axis=0), h.var(axis=0)
            self.running[i] *= 1 - nets.MOMENTUM
            self.running[i] += nets.MOMENTUM * np.stack([mean, variance * n / (n - 1)])
            x_hat = (h - mean) / np.sqrt(variance + nets.EPSILON)
            y = np.maximum(gammas[i] * x_hat + betas[i], 0)
            kept.append((x, x_hat, np.sqrt(variance + nets.EPSILON), y))
            x = y
        z = x @ weights[-1] + bias
        z -= z.max(axis=1, keepdims=True)
        log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
        rows = np.arange(n)
        dz = np.exp(log_p)
        dz[rows, target] -= 1
        dz /= n
        gradients = [np.zeros_like(value) for value in self.values]
        d_weights, d_bias, d_gammas, d_betas = self.parts(gradients)
        d_weights[-1] += x.T @ dz
        d_bias += dz.sum(axis=0)
        dy = dz @ weights[-1].T
        for i in reversed(range(self.depth)):
            x, x_hat, std, y = kept[i]
            dy = dy * (y > 0)
            d_gammas[i] += (dy * x_hat).sum(axis=0)
            d_betas[i] += dy.sum(axis=0)
            dh = gammas[i] / std * (dy - dy.mean(axis=0) - x_hat * (dy * x_hat).mean(axis=0))
            d_weights[i] += x.T @ dh
            dy = dh @ weights[i].T
        self.adam(gradients)
        return -log_p[rows, target].sum(), int((z.argmax(axis=1) == target).sum())

    def adam(self, gradients) -> None:
        self.count += 1
        for value, gradient, m, v in zip(self.values, gradients, self.m, self.v, strict=True):
            m += 0.1 * (gradient - m)
            v += 0.001 * (gradient**2 - v)
            m_hat, v_hat = m / (1 - 0.9**self.count), v / (1 - 0.999**self.count)
            value -= nets.LEARNING_RATE * m_hat / (np.sqrt(v_hat) + 1e-8)


def apart(a, b) -> float:
    """Largest difference, relative to the largest value."""
    return float(np.abs(np.subtract(a, b)).max() / np.abs(b).max())


def compare(world: Any, dtype, offset: float) -> dict[str, float]:
    """Both versions trained side by side on inputs with mean `offset` and deviation 1."""
    net, (x, target) = NET, nets.data(NET)
    x = (x + offset).astype(dtype)
    network = Network(net, world, dtype)
    hidden, output = network.hidden, network.output
    slow = Slow([*(layer.weight for layer in hidden), output.weight], output.bias,
                [layer.gamma for layer in hidden], [layer.beta for layer in hidden])  # fmt: skip
    loss, hits = 0.0, 0
    for epoch in range(net.epochs):
        order = nets.order(net, epoch)
        for start in range(0, order.size, net.batch):
            mine = start + world.rank * network.rows
            network.step(x, target, order[mine : mine + network.rows])
            batch = order[start : start + net.batch]
            new_loss, new_hits = slow.step(x[batch].astype(np.float64), target[batch])
            loss, hits = loss + new_loss, hits + new_hits
    weights, bias, gammas, betas = slow.parts(slow.values)
    return {
        "weights": max(apart(a.weight, b) for a, b in zip((*hidden, output), weights, strict=True)),
        "bias": apart(output.bias, bias),
        "gammas": max(apart(layer.gamma, gamma) for layer, gamma in zip(hidden, gammas, strict=True)),
        "betas": max(apart(layer.beta, beta) for layer, beta in zip(hidden, betas, strict=True)),
        "running": max(
            apart(layer.running, running) for layer, running in zip(hidden, slow.running, strict=True)
        ),
        "loss": abs(network.loss - loss) / loss,
        "hits": abs(network.hits - hits) / order.size,
    }


def variance_far_from_zero(world: Any, rows: int = 64, units: int = 32) -> float:
    """The variance of float32 columns with mean/deviation = 1000, against float64 on the same numbers."""
    x = np.random.default_rng(3).normal(1000, 1, (rows * world.size, units)).astype(np.float32)
    one, zero = np.ones(units, np.float32), np.zeros(units, np.float32)
    layer = Hidden(np.eye(units, dtype=np.float32), one, zero, [zero.copy() for _ in range(3)], rows, world)
    layer.forward(x[world.rank * rows : (world.rank + 1) * rows])
    return apart(layer.batch[1], x.astype(np.float64).var(axis=0))


def check(world: Any) -> dict[str, Any]:
    """Compare, and fail if anything is further apart than its arithmetic allows."""
    bounds = {
        "float64": (compare(world, np.float64, 0), 1e-9),
        "float64, inputs around 1000": (compare(world, np.float64, 1000), 1e-6),
        "float32": (compare(world, np.float32, 0), 2e-3),
        "variance at mean 1000": ({"variance": variance_far_from_zero(world)}, 1e-5),
    }
    for name, (differences, bound) in bounds.items():
        for what, difference in differences.items():
            if not difference <= bound:
                raise AssertionError(f"{name}: {what} must be within {bound}, got {difference}")
    return {name: max(differences.values()) for name, (differences, _) in bounds.items()}
