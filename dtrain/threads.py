"""How many threads BLAS gets: as many as this rank's cores, decided before NumPy is imported."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
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


_OWN = {"openblas": "OPENBLAS_NUM_THREADS", "mkl": "MKL_NUM_THREADS", "blis": "BLIS_NUM_THREADS"}
"""What a library reads before OMP_NUM_THREADS."""

_set_variables: dict[str, str] = {}
"""Variables, and what dtrain has set them to in this process."""

_set_libraries: dict[str, int] = {}
"""Files of loaded libraries, and the threads that dtrain has given them."""


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
    """Sets the threads of every BLAS that NumPy may use, unless the user has set them, by any of the variables.

    A variable that is not set gets what the user's others say, the first of VARIABLES first: a library prefers its own
    to OMP_NUM_THREADS. DTRAIN_THREADS counts for more than what was set for other programs, too. Works through the
    environment before NumPy is imported, and through the loaded libraries after it; there a lower limit that was set
    by other code (by threadpoolctl, or in the library) stays.
    """
    users = {} if os.environ.get(WANTED) else set_by_user(os.environ)
    said = next(iter(users.values()), count)
    for name in VARIABLES:
        if name not in users:
            os.environ[name] = _set_variables[name] = str(said)
    if "numpy" in sys.modules:
        _limit(users, said)


def set_by_user(environ: Mapping[str, str]) -> dict[str, int]:
    """Returns the threads that variables ask for which dtrain has not set itself in this process."""
    found = {
        name: _first(environ.get(name, ""))
        for name in VARIABLES
        if environ.get(name) != _set_variables.get(name)
    }
    return {name: count for name, count in found.items() if count}


def environment_of_user() -> dict[str, str]:
    """Returns the environment without what dtrain has set: a process that is started decides by itself."""
    return {name: value for name, value in os.environ.items() if _set_variables.get(name) != value}


def _first(text: str) -> int:
    """Returns the first of a list of numbers, of which OpenMP takes one a level; 0 for anything else."""
    first = text.split(",")[0].strip()
    return int(first) if first.isdecimal() else 0


def _limit(users: Mapping[str, int], said: int) -> None:
    from threadpoolctl import ThreadpoolController

    for library in ThreadpoolController().lib_controllers:
        wanted = users.get(_OWN.get(library.internal_api, ""), users.get("OMP_NUM_THREADS", said))
        if not os.environ.get(WANTED) and library.num_threads != _set_libraries.get(library.filepath):
            wanted = min(wanted, library.num_threads)
        library.set_num_threads(wanted)
        _set_libraries[library.filepath] = wanted
