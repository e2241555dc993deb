"""The inverse of the normal distribution function, without SciPy."""

from __future__ import annotations

import numpy as np

from dtrain import Array

# Numerator and denominator, highest power first: in 0.180625 − q² (the middle), in √(−log p) − 1.6 (the tails).
_MIDDLE = (
    (2509.0809287301226727, 33430.575583588128105, 67265.770927008700853, 45921.953931549871457,
     13731.693765509461125, 1971.5909503065514427, 133.14166789178437745, 3.387132872796366608),
    (5226.495278852545925, 28729.085735721942674, 39307.89580009271061, 21213.794301586595867,
     5394.1960214247511077, 687.1870074920579083, 42.313330701600911252, 1.0),
)  # fmt: skip
_TAIL = (
    (7.7454501427834140764e-4, 0.0227238449892691845833, 0.24178072517745061177, 1.27045825245236838258,
     3.64784832476320460504, 5.7694972214606914055, 4.6303378461565452959, 1.42343711074968357734),
    (1.05075007164441684324e-9, 5.475938084995344946e-4, 0.0151986665636164571966, 0.14810397642748007459,
     0.68976733498510000455, 1.6763848301838038494, 2.05319162663775882187, 1.0),
)  # fmt: skip


def normal_quantile(p: Array) -> Array:
    """Returns Φ⁻¹(p), float64, with an error below 1e-13; p in [0.001, 0.999].

    Two of the three pieces of algorithm AS 241: Wichura, "The percentage points of the normal distribution",
    1988.
    """
    q = np.asarray(p) - 0.5
    middle = q * _ratio(0.180625 - q * q, _MIDDLE)
    r = np.sqrt(-np.log(0.5 - np.abs(q))) - 1.6
    tail = np.copysign(_ratio(r, _TAIL), q)
    return np.where(np.abs(q) <= 0.425, middle, tail)


def _ratio(x: Array, polynomials: tuple[tuple[float, ...], tuple[float, ...]]) -> Array:
    above, below = (np.polyval(coefficients, x) for coefficients in polynomials)
    return above / below
