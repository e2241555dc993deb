"""How many threads BLAS gets: as many as this rank's cores, decided before NumPy is imported."""

from __future__ import annotations

import os
import sys
from typing import Literal

from dtrain.errors import ConfigError, on_all_ranks

VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)

WANTED = "DTRAIN_THREADS"
"""What the user wants for dtrain alone; `dtrain launch --threads` sets it."""


def threads_for(shards: int | Literal["auto", "ranks"], local_size: int) -> int:
    """Returns the BLAS threads of one rank.

    One where the result must not depend on the number of ranks (a product's bits depend on its threads);
    with `shards = "ranks"` this host's cores, divided among its ranks. DTRAIN_THREADS overrides.
    Raises ConfigError when that is no number.
    """
    wanted = os.environ.get(WANTED)
    if wanted:
        return _number(wanted)
    if shards != "ranks":
        return 1
    return max(1, len(os.sched_getaffinity(0)) // local_size)


def _number(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise on_all_ranks(ConfigError(f"{WANTED}: expected a whole number ≥ 1, got {text!r}"))
    return int(text)


def set_threads(count: int) -> None:
    """Sets the threads of every BLAS that NumPy may use, unless the user has set them already.

    DTRAIN_THREADS counts for more than what was set for other programs, too. Works through the environment
    before NumPy is imported, and through the loaded libraries after it.
    """
    for name in VARIABLES:
        if os.environ.get(WANTED) or not os.environ.get(name):
            os.environ[name] = str(count)
    if "numpy" in sys.modules:
        from threadpoolctl import threadpool_limits

        first = os.environ["OMP_NUM_THREADS"].split(",")[0].strip()  # OpenMP takes a list, one a level
        threadpool_limits(int(first) if first.isdecimal() and int(first) else count)
