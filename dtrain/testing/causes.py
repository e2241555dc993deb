"""Which failures follow from which: the one to correct first, and what will go with it."""

from __future__ import annotations

from collections.abc import Iterable

from .table import IDS

_GRADIENTS = ("gradient_of_input", "gradient_of_parameters", "gradient_of_penalty", "wide_gradient")
_COMPARED = (
    *_GRADIENTS, "split", "same_bits", "state", "inference", "same_content", "writer", "exact", "conserved",
    "in_flight", "driven", "moves", "decreases",
)  # fmt: skip
"""What compares two computations, or a computation with its limit."""

FOLLOWS: dict[str, tuple[str, ...]] = {
    "contract": IDS,
    "global_random": ("repeatable", "sampling", *_COMPARED),
    "repeatable": _COMPARED,
    "inputs_not_written": _COMPARED,
    "shape": ("dtype", "contiguous", "finite", *_COMPARED),
    "finite": (*_GRADIENTS, "conserved", "moves", "decreases"),
    "split": ("same_bits", "state"),
    "inference": ("same_bits", "state"),
    "same_bits": ("exact", "state"),
}
"""id → ids of checks that may fail for no other reason, where this one fails."""


def causes(failed: Iterable[str]) -> dict[str, str]:
    """Returns, for each id that failed, the id that it follows from; "" for one that stands by itself."""
    found: dict[str, str] = {}
    for name in sorted(failed, key=IDS.index):  # causes stand first in the table
        found[name] = next(
            (cause for cause, of in found.items() if not of and name in FOLLOWS.get(cause, ())), ""
        )
    return found
