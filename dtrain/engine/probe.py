"""A trial pass on an empty batch: finds layers that break their contract, before any data is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dtrain.communicator.serial import SerialCommunicator
from dtrain.random import SampleStreams

from .context import Context
from .shards import Layout
from .totals import Totals

if TYPE_CHECKING:
    from dtrain.parameter import Parameter
    from dtrain.types import Array, GradientOf

    from .network import Network


class _Uses:
    """Counts the gradients of each parameter, and lets each be computed of no rows."""

    def add(self, parameter: Parameter, of: GradientOf) -> None:
        parameter.uses += 1
        if parameter.trainable:
            of(slice(0, 0), np.empty(parameter.shape, parameter.value.dtype))

    def add_total(self, parameter: Parameter, total: Array) -> None:
        parameter.uses += 1


def probe(network: Network) -> list[str]:
    """Runs the network forwards and backwards over no rows; sets `uses` of every parameter.

    Returns warnings. Raises what a layer raises, with a note that a rank may
    hold no rows, and TypeError where an output has not the declared shape or dtype.
    """
    parameters = network.parameters
    for parameter in parameters:
        parameter.uses = 0
        if parameter._value is None:
            parameter._value = np.zeros(parameter.shape, network.dtype)
    context = Context(Totals(1, [(0, 1)], SerialCommunicator()), SampleStreams(0), _Uses())  # type: ignore[arg-type]
    context.begin(Layout(0, 1, 0, 1), training=True, step=0, epoch=0, place=0)
    with np.errstate(all="ignore"):
        try:
            _run(network, context)
        except Exception as error:
            error.add_note("in the trial pass on an empty batch: a rank may hold no rows")
            raise
    context.rollback()
    return [
        f"parameter {p.name!r} gets no gradient and will not change"
        for p in parameters
        if p.trainable and not p.uses
    ]


def _run(network: Network, context: Context) -> None:
    y, backward = network.forward(np.zeros((0, *network.input_shape), network.dtype), context)
    if y.shape != (0, *network.shape) or y.dtype != network.dtype:
        raise TypeError(
            f"the last layer promised shape {network.shape} and dtype {network.dtype}, "
            f"and gave {y.shape[1:]} and {y.dtype}"
        )
    backward(np.zeros_like(y))
