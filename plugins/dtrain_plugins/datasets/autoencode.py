"""The dataset `autoencode`."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dtrain import Array, Dataset, Rows, Schema


class Autoencode(Dataset):
    """Samples of another dataset, each its own target: x → x, to train an autoencoder on.

    x (n, …): as the other dataset gives it. y: x once more, (n, …); of uint8 images float32 in [0, 1], as
    the engine scales x. The other dataset's own targets are not read; its split is kept.

    of: the other dataset, a name or a table with its options.

    Rumelhart, Hinton & Williams, "Learning internal representations by error propagation", 1986.
    """

    examples = [{"of": {"name": "curve", "samples": 20}}]

    def __init__(self, of: Dataset) -> None:
        self._of = of
        self._take()

    def _take(self) -> None:
        of = self._of
        self.train = _Itself(of.train)
        self.validation = None if of.validation is None else _Itself(of.validation)
        self.schema = Schema(features=of.schema.features, target_kind="number")
        self.warnings = of.warnings

    def conform(self, recorded: Schema) -> None:
        """Map the columns of the other dataset by name: samples and targets alike."""
        self._of.conform(replace(self._of.schema, features=recorded.features))
        self._take()


class _Itself:
    """Rows whose targets are the samples."""

    def __init__(self, of: Rows) -> None:
        self._of = of
        self.shape, self.whole = of.shape, of.whole

    def __len__(self) -> int:
        return len(self._of)

    def rows(self, indices: Array) -> tuple[Array, Array]:
        x, _ = self._of.rows(indices)
        return x, np.multiply(x, np.float32(1 / 255), dtype=np.float32) if x.dtype == np.uint8 else x.copy()
