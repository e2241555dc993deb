"""Between a running replica and a checkpoint: arrays by name, whatever rank holds which slice of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dtrain.errors import CheckpointError, listed

if TYPE_CHECKING:
    from dtrain.engine import Replica
    from dtrain.types import Array


BEFORE_FIT = "before_fit/"
"""What the names of arrays start with that a fit after the last step has changed, as they were before."""


@dataclass
class Snapshot:
    """A copy of all values (flat) and states of a network; never changed, so that copies of states share it."""

    values: Array
    states: list[Array]

    def __deepcopy__(self, _: object) -> Snapshot:
        return self


def take(replica: Replica) -> Snapshot:
    """Returns a copy of the present values and states."""
    return Snapshot(*replica.copy())


def snapshot_arrays(replica: Replica, snapshot: Snapshot, prefix: str = "") -> dict[str, Array]:
    """Returns a snapshot's arrays by logical name: value/<parameter>, state/<state>."""
    network, layout = replica.network, replica.layout
    arrays = {f"{prefix}value/{p.name}": layout.view(snapshot.values, p) for p in network.parameters}
    states = zip(network.states, snapshot.states, strict=True)
    return arrays | {f"{prefix}state/{state.name}": value for state, value in states}


def unfitted_arrays(replica: Replica, before: Snapshot) -> dict[str, Array]:
    """Returns what has changed since a snapshot, as it was then: before_fit/<name as in `snapshot_arrays`>."""
    now = snapshot_arrays(replica, take(replica))
    return {
        f"{BEFORE_FIT}{name}": array
        for name, array in snapshot_arrays(replica, before).items()
        if array.tobytes() != now[name].tobytes()
    }


def unfitted(arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Returns a checkpoint's arrays as training left them, before the layers that learn at the end did."""
    before = {name.removeprefix(BEFORE_FIT): a for name, a in arrays.items() if name.startswith(BEFORE_FIT)}
    return {**arrays, **before}


def snapshot_of(replica: Replica, arrays: Mapping[str, Array], where: Path, prefix: str = "") -> Snapshot:
    """Returns the snapshot that these arrays make up. Raises CheckpointError where they do not fit."""
    snapshot = Snapshot(np.zeros_like(replica.exchange.values), [])
    for p in replica.network.parameters:
        replica.layout.view(snapshot.values, p)[...] = fitting(
            arrays, f"{prefix}value/{p.name}", p.shape, replica.network.dtype, where
        )
    for state in replica.network.states:
        name = f"{prefix}state/{state.name}"
        snapshot.states.append(fitting(arrays, name, state.value.shape, state.value.dtype, where))
    return snapshot


def slot_arrays(replica: Replica, slots: Mapping[str, Array]) -> dict[str, Array]:
    """Returns views of the optimizer's slots, whole and flat, by logical name: slot/<slot>/<parameter>."""
    layout, parameters = replica.layout, replica.network.parameters
    return {f"slot/{slot}/{p.name}": layout.view(flat, p) for slot, flat in slots.items() for p in parameters}


def load_slots(
    replica: Replica, slots: Mapping[str, Array], arrays: Mapping[str, Array], where: Path
) -> None:
    """Brings back this rank's slice of these slots of the optimizer."""
    for slot, own in slots.items():
        flat = np.zeros_like(replica.exchange.values)
        for p in replica.network.parameters:
            name = f"slot/{slot}/{p.name}"
            replica.layout.view(flat, p)[...] = fitting(arrays, name, p.shape, own.dtype, where)
        own[...] = flat[replica.own]


def fitting(arrays: Mapping[str, Array], name: str, shape: Any, dtype: Any, where: Path) -> Array:
    """Returns an array of a checkpoint. Raises CheckpointError where it is not there, or another one."""
    array = arrays.get(name)
    if array is None:
        raise CheckpointError(
            f"{where}: the network needs {name!r}, which the checkpoint does not hold; it holds {listed(arrays)}"
        )
    if array.shape != tuple(shape) or array.dtype != dtype:
        raise CheckpointError(
            f"{where}: {name!r} must be {tuple(shape)} of {dtype}, got {array.shape} of {array.dtype}"
        )
    return array
