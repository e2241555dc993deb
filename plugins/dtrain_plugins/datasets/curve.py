"""The dataset `curve`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

from dtrain import Array, ArrayRows, Dataset, Stream

from ..ranges import Natural, NotNegative


def _sine(x: Array) -> Array:
    return np.sin(2 * np.pi * x)


def _triangle(x: Array) -> Array:
    return 1 - 2 * np.abs((2 * x + 0.5) % 2 - 1)


def _gaussian_bumps(x: Array) -> Array:
    bumps = ((-0.6, 0.15, 0.8), (0.0, 0.08, -0.6), (0.5, 0.2, 1.0))  # centre, width, height
    return np.add.reduce([h * np.exp(-(((x - c) / w) ** 2) / 2) for c, w, h in bumps])


def _sawtooth(x: Array) -> Array:
    return 2 * ((x + 0.5) % 1) - 1


_FUNCTIONS: dict[str, Callable[[Array], Array]] = {
    "gaussian_bumps": _gaussian_bumps,
    "sawtooth": _sawtooth,
    "sine": _sine,
    "triangle": _triangle,
}


class Curve(Dataset):
    """Points of a function y = f(x) on [−1, 1]: what a net of one input is to approximate.

    x (samples, 1): float64, evenly spaced, both ends included. y (samples,): float64. To validate on:
    x (samples − 1, 1), half-way between neighbours, and y without noise.

    function: f. "sine": sin 2πx. "triangle": two periods, straight between −1 and 1. "gaussian_bumps": three
    bumps Σ h·exp(−(x−c)²/2w²) with (c, w, h) = (−0.6, 0.15, 0.8), (0, 0.08, −0.6), (0.5, 0.2, 1).
    "sawtooth": from −1 to 1, with jumps at ±½, which no continuous function comes near.
    samples: how many points, ≥ 2. noise: standard deviation of normal noise added to y, ≥ 0. seed: of the noise.

    Raises ValueError for fewer samples, noise below 0 and a seed below 0.
    """

    examples = [{}, {"function": "sawtooth", "samples": 20, "noise": 0.1, "seed": 1}]

    def __init__(
        self,
        function: Literal["gaussian_bumps", "sawtooth", "sine", "triangle"] = "sine",
        samples: int = 256,
        noise: NotNegative = 0.0,
        seed: Natural = 0,
    ) -> None:
        if samples < 2:
            raise ValueError(f"samples must be at least 2, got {samples}")
        f = _FUNCTIONS[function]
        x = np.linspace(-1, 1, samples)
        between = (x[1:] + x[:-1]) / 2
        y = f(x)
        if noise:
            y = y + Stream(seed, "curve").normal((samples,), std=noise)
        self.train = ArrayRows(x[:, None], y)
        self.validation = ArrayRows(between[:, None], f(between))
