"""The dataset `autoencode`."""

from __future__ import annotations

import numpy as np

from dtrain import Array, Dataset, Rows


class Autoencode(Dataset):
    """Samples of another dataset, each its own target: x → x, to train an autoencoder on.

    x (n, …): as the other dataset gives it. y: x once more, (n, …); of uint8 images float32 in [0, 1], as
    the engine scales x. The other dataset's own targets are not read; its split is kept.

    of: the other dataset, a name or a table with its options.

    Rumelhart, Hinton & Williams, "Learning internal representations by error propagation", 1986.
    """

    examples = [{"of": {"name": "curve", "samples": 20}}]

    def __init__(self, of: Dataset) -> None:
        self.train = _Itself(of.train)
        if of.validation is not None:
            self.validation = _Itself(of.validation)


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
