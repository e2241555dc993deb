"""Which checks there are, and to which kinds of parts each applies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from .contract import check_contract
from .descent import check_descends, check_moves
from .driven import check_driven
from .dtypes import check_contiguous, check_dtype
from .exchanges import (
    check_conserved,
    check_exact_bits,
    check_in_flight,
    check_same_on_all_ranks,
    check_slots_are_all,
)
from .finite import check_finite
from .gradients import (
    check_gradient_of_input,
    check_gradient_of_parameters,
    check_gradient_of_penalty,
    check_wide_gradient,
)
from .imports import check_no_mpi
from .options import check_options
from .pieces import check_penalty_in_pieces, check_rows_in_pieces, check_update_in_pieces
from .purity import check_inference, check_inputs_not_written
from .randomness import check_no_global_randomness, check_repeatable
from .ranks import check_same_bits_on_ranks, check_split
from .same_content import check_same_content
from .sampling import check_sampling
from .scratch import check_scratch
from .shapes import check_shape
from .solvers import (
    check_decreases,
    check_solve_in_slices,
    check_solver_dtype,
    check_solver_finite,
)
from .state import check_callback_state, check_resharded, check_schedule_state
from .writer import check_writer

_LAYERS = ("layers", "activations")
_ROWS = (*_LAYERS, "losses", "metrics", "transforms")
_TRAINED = (*_ROWS, "optimizers", "solvers", "regularizers")
_EVERY = (*_TRAINED, "initializers", "schedules", "datasets", "callbacks", "exchanges", "procedures")
_TYPED = (*_LAYERS, "losses", "transforms", "optimizers", "regularizers", "schedules", "initializers")


class Spec(NamedTuple):
    """One check: its id, the kinds it is for, the function that raises Failure."""

    id: str
    kinds: tuple[str, ...]
    function: Callable[..., Any]


SPECS = (
    Spec("contract", _EVERY, check_contract),
    Spec("no_mpi", _EVERY, check_no_mpi),
    Spec("global_random", _EVERY, check_no_global_randomness),
    Spec("inputs_not_written", (*_ROWS, "solvers", "regularizers", "datasets"), check_inputs_not_written),
    Spec("repeatable", _EVERY, check_repeatable),
    Spec("same_content", ("datasets",), check_same_content),
    Spec("options", _EVERY, check_options),
    Spec("shape", (*_ROWS, "initializers", "datasets"), check_shape),
    Spec("dtype", _TYPED, check_dtype),
    Spec("dtype", ("solvers",), check_solver_dtype),
    Spec("contiguous", (*_LAYERS, "losses", "transforms"), check_contiguous),
    Spec("finite", tuple(kind for kind in _EVERY if kind not in ("callbacks", "solvers")), check_finite),
    Spec("finite", ("solvers",), check_solver_finite),
    Spec("gradient_of_input", (*_LAYERS, "losses"), check_gradient_of_input),
    Spec("gradient_of_parameters", ("layers", "activations"), check_gradient_of_parameters),
    Spec("gradient_of_penalty", ("regularizers",), check_gradient_of_penalty),
    Spec("wide_gradient", (*_LAYERS, "losses", "regularizers"), check_wide_gradient),
    Spec("moves", ("optimizers", "regularizers"), check_moves),
    Spec("decreases", ("optimizers",), check_descends),
    Spec("decreases", ("solvers",), check_decreases),
    Spec("driven", ("optimizers", "solvers"), check_driven),
    Spec("sampling", _LAYERS, check_sampling),
    Spec("split", _ROWS, check_split),
    Spec("split", ("optimizers",), check_update_in_pieces),
    Spec("split", ("solvers",), check_solve_in_slices),
    Spec("split", ("regularizers",), check_penalty_in_pieces),
    Spec("split", ("datasets",), check_rows_in_pieces),
    Spec("inference", (*_LAYERS, "losses", "metrics"), check_inference),
    Spec("same_bits", (*_TRAINED, "initializers"), check_same_bits_on_ranks),
    Spec("same_bits", ("exchanges",), check_same_on_all_ranks),
    Spec("exact", ("exchanges",), check_exact_bits),
    Spec("conserved", ("exchanges",), check_conserved),
    Spec("in_flight", ("exchanges",), check_in_flight),
    Spec("state", _TRAINED, check_resharded),
    Spec("state", ("exchanges",), check_slots_are_all),
    Spec("state", ("schedules",), check_schedule_state),
    Spec("state", ("callbacks",), check_callback_state),
    Spec("writer", ("callbacks",), check_writer),
    Spec("scratch", (*_ROWS, "optimizers"), check_scratch),
)
"""In the order of causes: what fails further down may follow from what fails above it; see `causes`."""

FIRST = "contract"
"""The id of the check without which no other says anything."""

ADVICE = ("scratch",)
"""Ids of checks that cost speed, not correctness: a part that fails them is right all the same."""

ON_RANKS = (check_split, check_same_bits_on_ranks, check_same_on_all_ranks, check_exact_bits)
"""The checks that can run on the ranks of a real job."""

IDS = tuple(dict.fromkeys(spec.id for spec in SPECS))


def specs_of(kind: str) -> list[Spec]:
    """Returns the checks of a kind."""
    return [spec for spec in SPECS if kind in spec.kinds]


def summary(function: Callable[..., Any]) -> str:
    """Returns the first sentence of what a check says of itself."""
    return (function.__doc__ or "").strip().splitlines()[0]
