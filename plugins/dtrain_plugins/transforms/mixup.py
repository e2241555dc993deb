from __future__ import annotations

from typing import Any

import numpy as np

from dtrain import Array, Context, Output, Target, Transform


class Mixup(Transform):
    """Mixes each sample with another of its shard: λ·x + (1−λ)·x′ and λ·y + (1−λ)·y′, λ from Beta(alpha, alpha).

    x: (rows, …), images or tables. y: (rows, …), numbers or distributions, such as one-hot rows, which become real
    numbers of x's dtype; or classes, with `classes`; or none. The partner is any other row of the same shard with
    equal chances, so that no row of another rank is needed: shards are fixed by the config, and the result is the
    same on any number of ranks. A shard of one row is not mixed.

    alpha: in (0, 100]; small ones mix little. classes: K ≥ 2, as many as the network has outputs: y, whole numbers
    0 … K−1, become distributions (rows, …, K) of x's dtype, for `softmax_cross_entropy` or `cross_entropy`. Raises
    ValueError outside, for classes without `classes`, for a loss that does not take what comes out, and for targets
    that are no such classes.

    Zhang, Cisse, Dauphin & Lopez-Paz, "mixup: beyond empirical risk minimization", 2018: with λ and partner of
    each sample's own, where theirs are a permutation of the batch and, in their code, one λ for it.
    """

    examples = [{}, {"alpha": 1.0}, {"classes": 8, "target": "classes"}]
    expected_failed_checks = {"split": "partners come from a sample's own shard"}

    def __init__(self, alpha: float = 0.2, classes: int | None = None) -> None:
        if not 0 < alpha <= 100:
            raise ValueError(f"alpha must be in (0, 100], got {alpha}")
        if classes is not None and classes < 2:
            raise ValueError(f"classes must be at least 2, got {classes}")
        self.alpha, self.classes = alpha, classes
        # P(λ ≤ x) ∝ ∫ t^(α−1)·(1−t)^(α−1) dt up to x = ∫ (1−t)^(α−1) ds, s = (2t)^α: no infinity at 0
        x = np.linspace(0, 0.5, 4097)
        self.powers = (2 * x) ** alpha
        density = (2 - 2 * x) ** (alpha - 1)
        shares = np.concatenate([[0], np.cumsum((density[1:] + density[:-1]) * np.diff(self.powers))])
        self.shares = shares / (2 * shares[-1])

    def check(self, target: Target, output: Output) -> None:
        takes = self.loss.takes
        if self.classes is not None:
            self._check_classes(target, output)
        elif "distribution" in takes and target.fits("distribution", output):
            return
        elif "class" in takes and target.fits("class", output):
            raise ValueError(
                f"expected classes, how many there are, to mix targets that are classes, got none; "
                f"set classes = {output.shape[-1]}"
            )
        elif takes and "number" not in takes:
            raise ValueError(
                "expected a loss of numbers or of distributions, which can be mixed, got another; "
                "take another loss, or leave mixup out"
            )

    def _check_classes(self, target: Target, output: Output) -> None:
        target.read(("class",), output)
        if "distribution" not in self.loss.takes:
            raise ValueError(
                f"expected a loss that takes distributions with classes = {self.classes}, got another; "
                "leave classes out, or take a cross entropy"
            )
        if self.classes != output.shape[-1]:
            raise ValueError(
                f"expected as many classes as the network has outputs, {output.shape[-1]}, got {self.classes}"
            )

    def forward(self, x: Array, y: Array | None, context: Context) -> tuple[Array, Array | None]:
        if y is not None:
            y = self._numbers(y, x.dtype, context)
        u = context.uniform((len(x), 2), np.float64)
        share, partner = self.quantile(u[:, 0]), self._partners(u[:, 1], context.shards)
        return _mixed(x, share, partner, context), None if y is None else _mixed(y, share, partner, context)

    def _numbers(self, y: Array, dtype: np.dtype[Any], context: Context) -> Array:
        """Returns targets that can be mixed."""
        if self.classes is None:
            return y if y.dtype.kind == "f" else y.astype(dtype)
        rows = context.empty((*y.shape, self.classes), dtype)
        rows.fill(0)
        np.put_along_axis(rows, y[..., None].astype(np.int64), 1, axis=-1)
        return rows

    def quantile(self, u: Array) -> Array:
        """Returns the number of [0, 1] below which Beta(alpha, alpha) has the probability u, in (0, 1)."""
        low = np.interp(np.minimum(u, 1 - u), self.shares, self.powers) ** (1 / self.alpha) / 2
        return np.where(u < 0.5, low, 1 - low)

    @staticmethod
    def _partners(u: Array, shards: list[slice]) -> Array:
        sizes = [shard.stop - shard.start for shard in shards]
        first = np.repeat([shard.start for shard in shards], sizes)
        size = np.repeat(sizes, sizes)
        further = 1 + (u * (size - 1)).astype(np.int64)
        return first + (np.arange(len(u)) - first + further) % size


def _mixed(rows: Array, share: Array, partner: Array, context: Context) -> Array:
    share = share.astype(rows.dtype).reshape(-1, *(1,) * (rows.ndim - 1))
    out, own = (context.empty(rows.shape, rows.dtype) for _ in range(2))
    np.take(rows, partner, axis=0, out=out, mode="clip")  # all are in range; "raise" would buffer
    out *= 1 - share
    out += np.multiply(share, rows, own)
    return out
