"""A metric."""

import numpy as np

from dtrain import Metric


class Within(Metric):
    """The share of samples all of whose outputs are within `tolerance` of the target.

    y: (rows, …). target: the same shape, or (rows,) for a single output. tolerance: ≥ 0, in units of the target.
    """

    takes = ("number",)
    examples = [{"target": "real"}, {"target": "real", "tolerance": 1.0}]

    def __init__(self, tolerance: float = 0.1):
        if tolerance < 0:
            raise ValueError(f"tolerance must be at least 0, got {tolerance}")
        self.tolerance = tolerance

    def forward(self, y, target, context):
        near = np.abs(y - target.reshape(y.shape)) <= self.tolerance
        return near.all(axis=tuple(range(1, y.ndim)))
