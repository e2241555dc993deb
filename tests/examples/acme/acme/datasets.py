"""A dataset."""

import numpy as np

from dtrain import ArrayRows, Dataset, Stream


class Waves(Dataset):
    """Points of a cube and two waves through it: nothing is read, everything follows from the options.

    x: (samples, features), float32, uniform in (−1, 1). y: (samples, 2), float32: sin 3s and cos 2s, s the
    mean of the odd features less that of the even ones. samples: ≥ 1. features: ≥ 2. seed: of the points.
    """

    examples = [{}, {"samples": 50, "features": 2, "seed": 1}]

    def __init__(self, samples: int = 1000, features: int = 4, seed: int = 0):
        if samples < 1:
            raise ValueError(f"samples must be at least 1, got {samples}")
        if features < 2:
            raise ValueError(f"features must be at least 2, got {features}")
        x = Stream(seed, "acme", "waves").uniform((samples, features), -1.0, 1.0)
        s = x[:, 1::2].mean(axis=1) - x[:, ::2].mean(axis=1)
        y = np.stack((np.sin(3 * s), np.cos(2 * s)), axis=1)
        self.train = ArrayRows(x.astype(np.float32), y.astype(np.float32))
