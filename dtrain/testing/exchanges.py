"""An exchange keeps its contract: all ranks get the same, nothing is lost, and buckets do not get mixed up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dtrain.communicator import run_ranks
from dtrain.contracts import GradientExchange, ValueExchange

from .failure import check_near, check_same_bits
from .rig import ONE_BLOCK, SCALE, SHARDS, Rig, gradients, tree_total

if TYPE_CHECKING:
    from dtrain.communicator.protocol import Communicator
    from dtrain.types import Array

    from .subject import Subject

RANKS = (1, 2, 3, 5)
STEPS = 3
RESIDUAL = "residual"
_DTYPES = (np.float32, np.float64)


def played(
    subject: Subject, ranks: int, dtype: Any, *, small: bool = False, all_at_once: bool = False,
    moved: bool = True, even: bool = False, communicator: Communicator | None = None,
) -> list[dict[str, Array]]:  # fmt: skip
    """Returns what some steps leave on every rank. small: in buckets of one block. Others: see `Rig`.

    communicator: of a real job, instead of threads.
    """

    def rank(communicator: Communicator) -> dict[str, Array]:
        part = subject.make()
        if small and isinstance(part, GradientExchange):
            part.bucket = ONE_BLOCK
        rig = Rig(part, communicator, dtype, even)
        for _ in range(STEPS):
            rig.step(all_at_once=all_at_once, moved=moved)
        return rig.left()

    return (
        run_ranks(ranks, rank, share_memory=False)
        if communicator is None
        else _everywhere(rank(communicator), communicator)
    )


def _everywhere(own: dict[str, Array], communicator: Communicator) -> list[dict[str, Array]]:
    """Returns what every rank has. A collective."""
    found: list[dict[str, Array]] = [{} for _ in range(communicator.size)]
    for name, array in own.items():
        every = np.empty((communicator.size, *array.shape), array.dtype)
        communicator.allgather(array, every)
        for one, part in zip(found, every, strict=True):
            one[name] = part
    return found


def _sizes(communicator: Communicator | None) -> tuple[int, ...]:
    return RANKS if communicator is None else (communicator.size,)


def check_same_on_all_ranks(subject: Subject, communicator: Communicator | None = None) -> None:
    """All of 1, 2, 3 and 5 ranks get the same bits, in float32 and float64."""
    advice = "add what has come in the order of ranks, this rank's own in its place"
    for n in _sizes(communicator):
        for dtype in _DTYPES:
            first, *others = played(subject, n, dtype, communicator=communicator)
            for rank, other in enumerate(others, 1):
                for name, array in first.items():
                    if not name.startswith("slot"):
                        check_same_bits(f"{name}, on rank {rank} of {n}", array, other[name], advice)


def check_exact_bits(subject: Subject, communicator: Communicator | None = None) -> None:
    """A gradient exchange that calls itself `exact` gives the bits of the tree over shards, on any number of ranks."""
    if not (isinstance(part := subject.make(), GradientExchange) and part.exact):
        return
    advice = "take `yield from part.exact()`, or do not say `exact = True`"
    for n in _sizes(communicator):
        for dtype in _DTYPES:
            found = played(subject, n, dtype, communicator=communicator)[0]
            for step in range(STEPS):
                total = np.multiply(tree_total(gradients(step, dtype), (0, SHARDS)), SCALE)
                name = f"total of step {step + 1}"
                check_same_bits(f"{name}, on {n} ranks", total, found[name], advice)


def check_conserved(subject: Subject) -> None:
    """Nothing is lost: totals and residuals make up all gradients; where nobody has moved, a meeting moves nobody.

    Totals alone, to 1 %, where there is no slot called `residual`; to 1e-9 with it, which holds what is yet to be sent.
    """
    part = subject.make()
    if isinstance(part, ValueExchange):
        for n in RANKS:
            found = played(subject, n, np.float64, moved=False)[0]
            for name, array in found.items():
                check_near(f"{name}, on {n} ranks that have not moved", np.zeros(len(array)), array, 1e-9)
    elif isinstance(part, GradientExchange):
        steps = [gradients(step, np.float64, even=True) for step in range(STEPS)]
        expected = SCALE * np.sum(steps, axis=(0, 1))
        keeps = RESIDUAL in part.slots
        for n in RANKS:
            every = played(subject, n, np.float64, even=True)
            pieces = [array for name, array in every[0].items() if name.startswith("total")]
            pieces += [found[f"slot {RESIDUAL!r}"] for found in every if keeps]
            got = np.sum(pieces, axis=0)
            what = "totals and residuals" if keeps else "totals"
            check_near(
                f"the sum of all {what}, on {n} ranks", expected, got, 1e-9 if keeps else 1e-2,
                f"keep what has not been sent in a slot called {RESIDUAL!r}, and add it to the next gradient",
            )  # fmt: skip


def check_in_flight(subject: Subject) -> None:
    """Buckets that take turns give what buckets one after the other give."""
    advice = (
        "several buckets may be under way at a time: keep what a bucket needs in local variables, not in self"
    )
    for n in (2, 3):
        in_order = played(subject, n, np.float32, small=True)
        in_turns = played(subject, n, np.float32, small=True, all_at_once=True)
        for rank, (expected, got) in enumerate(zip(in_order, in_turns, strict=True)):
            for name, array in expected.items():
                check_same_bits(f"{name}, on rank {rank} of {n}, in turns", array, got[name], advice)


def check_slots_are_all(subject: Subject) -> None:
    """A fresh exchange that gets the slots of another goes on with the same bits."""
    advice = (
        "what lasts from step to step lies in slots; what is kept in attributes is lost when a run is resumed"
    )

    def rank(communicator: Communicator) -> tuple[dict[str, Array], dict[str, Array]]:
        straight, again = (Rig(subject.make(), communicator, np.float32) for _ in range(2))
        for step in range(STEPS):
            if step == STEPS - 1:
                again.done = step
                for name, slot in again.slots.items():
                    slot[:] = straight.slots[name]
                if isinstance(again.part, ValueExchange):
                    again.values.values[:] = straight.values.values
                again.step()
            straight.step()
        return straight.left(), again.left()

    for n in (1, 3):
        for number, (expected, got) in enumerate(run_ranks(n, rank, share_memory=False)):
            for name, array in got.items():
                check_same_bits(f"{name}, on rank {number} of {n}, resumed", expected[name], array, advice)


def exercise_exchange(subject: Subject, dtype: Any) -> dict[str, Any]:
    """Returns what some steps on three ranks leave, by name."""
    every = played(subject, 3, dtype)
    return {
        f"{name} on rank {rank}": array for rank, found in enumerate(every) for name, array in found.items()
    }
