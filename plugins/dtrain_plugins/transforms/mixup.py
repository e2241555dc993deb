from __future__ import annotations

import numpy as np

from dtrain import Array, ConfigError, Context, Transform


class Mixup(Transform):
    """Mixes each sample with another of its shard: λ·x + (1−λ)·x′ and λ·y + (1−λ)·y′, λ from Beta(alpha, alpha).

    x: (rows, …), images or tables. y: (rows, …), real numbers, such as one-hot rows; or none. The partner is any
    other row of the same shard with equal chances, so that no row of another rank is needed: shards are fixed
    by the config, and the result is the same on any number of ranks. A shard of one row is not mixed.

    alpha: in (0, 100]; small ones mix little. Raises ValueError outside, and ConfigError for classes, which
    cannot be mixed.

    Zhang, Cisse, Dauphin & Lopez-Paz, "mixup: beyond empirical risk minimization", 2018: with λ and partner of
    each sample's own, where theirs are a permutation of the batch and, in their code, one λ for it.
    """

    examples = [{}, {"alpha": 1.0}]
    expected_failed_checks = {"split": "partners come from a sample's own shard"}

    def __init__(self, alpha: float = 0.2) -> None:
        if not 0 < alpha <= 100:
            raise ValueError(f"alpha must be in (0, 100], got {alpha}")
        self.alpha = alpha
        # P(λ ≤ x) ∝ ∫ t^(α−1)·(1−t)^(α−1) dt up to x = ∫ (1−t)^(α−1) ds, s = (2t)^α: no infinity at 0
        x = np.linspace(0, 0.5, 4097)
        self.powers = (2 * x) ** alpha
        density = (2 - 2 * x) ** (alpha - 1)
        shares = np.concatenate([[0], np.cumsum((density[1:] + density[:-1]) * np.diff(self.powers))])
        self.shares = shares / (2 * shares[-1])

    def forward(self, x: Array, y: Array | None, context: Context) -> tuple[Array, Array | None]:
        if y is not None and y.dtype.kind != "f":
            raise ConfigError(
                f"mixup takes targets that can be mixed, real numbers such as one-hot rows, got {y.dtype}"
            )
        u = context.uniform((len(x), 2), np.float64)
        share, partner = self.quantile(u[:, 0]), self._partners(u[:, 1], context.layout.slices)
        return _mixed(x, share, partner, context), None if y is None else _mixed(y, share, partner, context)

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
