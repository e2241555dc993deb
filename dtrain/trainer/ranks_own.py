"""What each rank keeps for itself, in checkpoints: an exchange's slots; the optimizer's, where ranks train alone.

Arrays by logical name: rank/<rank>/exchange/<slot>/<parameter>, rank/<rank>/slot/<slot>/<parameter>. On as many ranks
as before, each takes back its own. On another number, the slots of a gradient exchange, which hold what is yet to be
sent, are added up, and rank 0 goes on with the sum; those of a value exchange and of the optimizer are averaged.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .logical import fitting, load_slots

if TYPE_CHECKING:
    from dtrain.engine import Replica
    from dtrain.types import Array

    from .update import Update

EXCHANGE, SLOT = "exchange", "slot"


def ranks_own(replica: Replica, update: Update) -> dict[str, Array]:
    """Returns the whole flat arrays that this rank has for itself alone, as of now, by <kind>/<slot>."""
    own = {f"{EXCHANGE}/{name}": slot for name, slot in replica.exchange.slots.items()}
    if replica.exchange.alone:
        own |= {f"{SLOT}/{name}": slot for name, slot in update.slots.items()}
    return own


def own_arrays(replica: Replica, own: Mapping[str, Array]) -> dict[str, Array]:
    """Returns views of all ranks' arrays, (ranks, size) each, by logical name."""
    return {
        _name(rank, what, p.name): replica.layout.view(flat, p)
        for what, rows in own.items()
        for rank, flat in enumerate(rows)
        for p in replica.network.parameters
    }


def own_state(replica: Replica, update: Update, name: str) -> dict[str, Any]:
    """Returns what a cursor says of them. name: of the exchange."""
    own = ranks_own(replica, update)
    return {"name": name, "ranks": replica.communicator.size if own else 0, "arrays": list(own)}


def load_own(
    replica: Replica,
    update: Update,
    arrays: Mapping[str, Array],
    state: Mapping[str, Any],
    name: str,
    where: Path,
) -> None:
    """Brings back the optimizer's slots, and the exchange's where it has the same name; another starts with zeros.

    state: what `own_state` returned. Raises CheckpointError where the arrays do not fit.
    """
    saved = Saved(replica, arrays, state, where)
    of_all = [slot for slot in update.slots if not saved.has(f"{SLOT}/{slot}")]
    load_slots(replica, {slot: update.slots[slot] for slot in of_all}, arrays, where)
    for slot, flat in update.slots.items():
        if slot not in of_all:
            what = f"{SLOT}/{slot}"
            flat[...] = (saved.mine(what) if replica.exchange.alone else saved.mean(what))[replica.own]
    for slot, flat in replica.exchange.slots.items():
        what = f"{EXCHANGE}/{slot}"
        flat[...] = saved.mine(what) if state["name"] == name and saved.has(what) else 0


class Saved:
    """What a checkpoint holds of ranks' own arrays."""

    def __init__(
        self, replica: Replica, arrays: Mapping[str, Array], state: Mapping[str, Any], where: Path
    ) -> None:
        self._replica, self._arrays, self._where = replica, arrays, where
        self._ranks: int = state["ranks"]
        self._names: list[str] = state["arrays"] if self._ranks else []

    def has(self, what: str) -> bool:
        """Tells whether an array was saved."""
        return what in self._names

    def mine(self, what: str) -> Array:
        """Returns what this rank goes on with."""
        rank = self._replica.communicator.rank
        if self._ranks == self._replica.communicator.size:
            return self._flat(rank, what)
        if self._replica.exchange.alone:
            return self.mean(what)
        total = self._total(what)
        return total if rank == 0 else np.zeros_like(total)

    def mean(self, what: str) -> Array:
        """Returns the mean over the ranks that there were, float64."""
        return self._total(what) / self._ranks

    def _total(self, what: str) -> Array:
        """Returns the sum in the order of ranks, float64."""
        total = np.zeros(self._replica.layout.size)
        for flat in self._flats(what):
            total += flat
        return total

    def _flats(self, what: str) -> Iterator[Array]:
        return (self._flat(rank, what) for rank in range(self._ranks))

    def _flat(self, rank: int, what: str) -> Array:
        replica = self._replica
        flat = np.zeros(replica.layout.size, replica.network.dtype)
        for p in replica.network.parameters:
            name = _name(rank, what, p.name)
            replica.layout.view(flat, p)[...] = fitting(self._arrays, name, p.shape, flat.dtype, self._where)
        return flat


def _name(rank: int, what: str, parameter: str) -> str:
    return f"rank/{rank}/{what}/{parameter}"
