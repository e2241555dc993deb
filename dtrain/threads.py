"""How many threads BLAS gets: as many as this rank's cores, decided before NumPy is imported."""

from __future__ import annotations

import os
import sys
from typing import Literal

VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


def threads_for(shards: int | Literal["auto", "ranks"], local_size: int) -> int:
    """Returns the BLAS threads of one rank.

    One where the result must not depend on the number of ranks (a product's bits depend on its threads);
    with `shards = "ranks"` this host's cores, divided among its ranks. DTRAIN_THREADS overrides.
    """
    wanted = os.environ.get("DTRAIN_THREADS", "")
    if wanted.isdecimal() and int(wanted):
        return int(wanted)
    if shards != "ranks":
        return 1
    return max(1, len(os.sched_getaffinity(0)) // local_size)


def set_threads(count: int) -> None:
    """Sets the threads of every BLAS that NumPy may use, unless the user has set them already.

    Works through the environment before NumPy is imported, and through the loaded libraries after it.
    """
    for name in VARIABLES:
        os.environ.setdefault(name, str(count))
    if "numpy" in sys.modules:
        from threadpoolctl import threadpool_limits

        threadpool_limits(int(os.environ["OMP_NUM_THREADS"]))
