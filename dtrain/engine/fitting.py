"""Layers that learn from a pass over the training set, before the first step or after the last."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from dtrain.errors import DataError, RunError, on_all_ranks
from dtrain.parameter import digest

from .calibration import calibrate, rows_of
from .reach import input_of

if TYPE_CHECKING:
    from dtrain.contracts import Layer
    from dtrain.data import Batches
    from dtrain.parameter import Parameter, State

    from .network import Network
    from .replica import Replica

Moment = Literal["start", "end"]


def fits_at(network: Network, moment: Moment) -> bool:
    """Tells whether any layer learns from the training set at this moment."""
    return any(layer.fits == moment for layer in network.layers.values())


def learn(replica: Replica, batches: Batches, moment: Moment) -> None:
    """Lets layers learn from the training set, in the order of the network, nested ones too. A collective.

    batches: of the training set; taken as they are stored. At the start, initializers that calibrate have
    their turn as well: a layer's parameters after its own fit, before the layers behind it.
    """
    for name, layer in replica.network.layers.items():
        if layer.fits == moment:
            _fit(replica, batches, name, layer)
        if moment == "start":
            for parameter in replica.network.inventory.made_by(name):
                calibrate(replica, batches, parameter, name)


class Passes:
    """The training set as it reaches a layer: every iteration is a pass of the network up to there.

    An item holds this rank's rows of a global batch (with `accumulate`, of a micro-batch), copies that are
    the caller's. Raises DataError on all ranks, at the end of a pass, where one met samples that cannot be used.
    """

    def __init__(self, replica: Replica, batches: Batches, layer: Layer) -> None:
        self._replica, self._batches, self._layer = replica, batches, layer

    def __iter__(self) -> Iterator[Any]:
        replica, problem = self._replica, None
        context = replica.context
        for batch in rows_of(self._batches):
            problem = problem or batch.problem
            context.begin(batch.layout, training=False, step=0, epoch=0, place=batch.place)
            x = input_of(replica.network, self._layer, batch.x, context)
            yield tuple(map(np.array, x)) if isinstance(x, tuple) else np.array(x)
        problems = [found for found in replica.communicator.share(problem) if found is not None]
        if problems:
            raise on_all_ranks(DataError(problems[0]))


def _fit(replica: Replica, batches: Batches, name: str, layer: Layer) -> None:
    network = replica.network
    parameters = [p for p in network.parameters if p.name.startswith(f"{name}.")]
    states = [s for s in network.states if s.name.startswith(f"{name}.")]
    before = [s.value for s in states]
    replica.context.layer = name
    with _own_copies(replica, parameters):
        try:
            layer.fit(Passes(replica, batches, layer), replica.context)
            for state, old in zip(states, before, strict=True):
                _take(state, old)
        except Exception as error:
            error.add_note(f"in the fit of layer {name!r} ({network.describe(layer)})")
            raise
        if network.watch is not None:
            for value in (*(p.value for p in parameters), *(s.value for s in states)):
                network.watch(name, "fit", value)
        _check_same(replica, name, parameters, states)


@contextmanager
def _own_copies(replica: Replica, parameters: Sequence[Parameter]) -> Iterator[None]:
    """Gives each rank values of its own for the time of a fit, so that none sees what another writes."""
    shared = [p.value for p in parameters]
    for p in parameters:
        p._value = p.value.copy()
    try:
        yield
    finally:
        learned = [p.value for p in parameters]
        for p, value in zip(parameters, shared, strict=True):
            p._value = value
    replica.communicator.barrier()
    if replica.writes_values():
        for value, new in zip(shared, learned, strict=True):
            value[...] = new
    replica.communicator.barrier()


def _take(state: State, old: Any) -> None:
    """Keeps a copy of what was learned: it may lie in scratch."""
    new = np.asarray(state.value)
    if new.shape != old.shape or new.dtype != old.dtype:
        raise TypeError(
            f"fit must leave {state.name!r} of shape {old.shape} and dtype {old.dtype}, as build made it, "
            f"got {new.shape} and {new.dtype}"
        )
    state.value = np.array(new)


def _check_same(
    replica: Replica, name: str, parameters: Sequence[Parameter], states: Sequence[State]
) -> None:
    found = replica.communicator.share(digest(parameters, states))
    for rank, other in enumerate(found):
        if other != found[0]:
            raise on_all_ranks(
                RunError(
                    f"layer {name!r}: expected its fit to learn the same on all ranks, got something else on "
                    f"rank {rank} than on rank 0; what crosses rows goes through the context "
                    "(context.sum(x) instead of x.sum(axis=0))"
                )
            )
