from __future__ import annotations

from math import log

import numpy as np

from dtrain import Array, Output, Target

from .checks import check_range
from .pointwise import Points, Pointwise, floored


class Poisson(Pointwise):
    """Negative log-likelihood of Poisson counts t with rates λ: λ − t·log λ, the mean over a row's outputs.

    The term log t!, which depends on no parameter, is left out. y: (rows, …), rates λ ≥ 0, or logarithms z of
    rates. target: counts t ≥ 0 of the same shape, or (rows,) for a single output; fractions, such as counts per
    hour, will do. values: (rows,). dy, of y's shape, is (1 − t/λ)/outputs, or (e^z − t)/outputs. `predict` gives
    the rates.

    log_rates: whether y holds logarithms of rates: no `exp` head is needed then. Of rates, one below 1e-14
    (float32) or 1e-20 (float64) counts as that in the logarithm (PyTorch adds 1e-8 to every rate). A rate e^z
    beyond the dtype's range is infinite, without a warning: the loss is not finite then, and the run says so.

    Raises ValueError for targets below 0.

    Nelder & Wedderburn, "Generalized linear models", 1972.
    """

    takes = ("number",)
    remedy = "put an exp or softplus layer behind it, or set log_rates = true"
    examples = [
        {"input": (1,), "target": "classes", "range": (0.05, 20.0)},
        {"log_rates": True, "input": (1,), "target": "classes", "range": (-80.0, 80.0)},
    ]

    def __init__(self, log_rates: bool = False) -> None:
        self.log_rates = log_rates
        self.expects = "log_rates" if log_rates else "rates"
        self.threshold = log(0.5) if log_rates else 0.5

    def check(self, target: Target, output: Output) -> None:
        check_range(target, "counts, at least 0", 0)

    def points(self, y: Array, target: Array) -> Points:
        if self.log_rates:
            rate = self.predict(y)
            return rate - target * y, lambda: rate - target
        rate = floored(y)
        return y - target * np.log(rate), lambda: 1 - target / rate

    def predict(self, y: Array) -> Array:
        if not self.log_rates:
            return y
        with np.errstate(over="ignore"):
            return np.exp(y)
