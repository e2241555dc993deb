"""Initializers that look at what their layer makes of real data, and scale the parameter until it is right."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite
from typing import TYPE_CHECKING

import numpy as np

from dtrain.errors import NonFiniteError, RunError, on_all_ranks

from .reach import input_of, output_of

if TYPE_CHECKING:
    from dtrain.data import Batches
    from dtrain.data.batches import Batch
    from dtrain.parameter import Parameter
    from dtrain.types import Array

    from .replica import Replica


def rows_of(batches: Batches) -> Iterator[Batch]:
    """Yields the global batches as they are stored; micro-batches with `accumulate`, but none without a row."""
    for index in range(batches.count):
        yield from (batch for batch in batches.cut(index) if batch.layout.rows)


def calibrate(replica: Replica, batches: Batches, parameter: Parameter, owner: str) -> None:
    """Asks the parameter's initializer for factors until it says 1, or has been asked often enough.

    owner: the layer that made the parameter. Every factor is for the value as it is then, of the first batch
    of the training set as it is stored. A collective.
    """
    if not parameter.initializer.calibrations:
        return
    batch = next(rows_of(batches))
    for _ in range(parameter.initializer.calibrations):
        factor = _factor(replica, batch, parameter, owner)
        if factor == 1:
            return
        replica.communicator.barrier()
        if replica.writes_values():
            np.multiply(parameter.value, factor, out=parameter.value)
        replica.communicator.barrier()


def _factor(replica: Replica, batch: Batch, parameter: Parameter, owner: str) -> float:
    context = replica.context
    context.begin(batch.layout, training=False, step=0, epoch=0, place=batch.place)
    y = _before_activation(replica, batch.x, owner)
    context.layer = owner
    who = f"initializer {type(parameter.initializer).__name__} of parameter {parameter.name!r}"
    try:
        factor = float(parameter.initializer.calibrate(y, context))
    except Exception as error:
        error.add_note(f"in the calibration by the {who}")
        raise
    factors = replica.communicator.share(repr(factor))
    if any(other != factors[0] for other in factors):
        raise on_all_ranks(
            RunError(f"{who}: calibrate must return one factor on all ranks, got {', '.join(factors)}")
        )
    if not isfinite(factor) or factor == 0:
        raise on_all_ranks(
            NonFiniteError(f"{who}: calibrate must return a finite factor other than 0, got {factor}")
        )
    return factor


def _before_activation(replica: Replica, x: Array, owner: str) -> Array:
    """Returns the owner's output, or what its inner layer `activation` is given."""
    network = replica.network
    activation = network.layers.get(f"{owner}.activation")
    if activation is None:
        return output_of(network, network.layers[owner], x, replica.context)
    found: Array = input_of(network, activation, x, replica.context)
    return found
