"""Runs what works on rows (layers, activations, losses, metrics, transforms) on one rank of a job."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from dtrain.contracts import Output, Target
from dtrain.engine import Context, Replica, rank_ranges
from dtrain.engine.totals import Totals
from dtrain.random import SampleStreams
from dtrain.trainer.fit import check_part

from .data import Data, numbers
from .guard import network
from .learning import learned
from .passes import Cuts, Options, Passed, cast_rows, frozen_rows, short

if TYPE_CHECKING:
    from dtrain.communicator.protocol import Communicator
    from dtrain.types import Array

    from .subject import Subject

ROW_KINDS = ("layers", "activations", "losses", "metrics", "transforms")
"""The kinds whose parts see rows, and are run by `run`."""


def run(
    subject: Subject,
    communicator: Communicator,
    data: Data,
    sizes: Sequence[int],
    options: Options | None = None,
) -> Passed:
    """Runs a fresh part, forwards and backwards, over this rank's shards of a batch. A collective."""
    options = options or Options()
    runner = LayerRunner if subject.is_layer else PartRunner
    return runner(subject, communicator, len(sizes), options).run(data, sizes)


class LayerRunner:
    """A layer in a network of its own, fitted if it fits, and the replica that holds its parameters.

    No parameter is zero or one at the start.
    """

    def __init__(self, subject: Subject, communicator: Communicator, shards: int, options: Options) -> None:
        self.options = options
        self.network = network(subject, options.dtype, options.look)
        self.replica = Replica(self.network, communicator, shards, options.seed)
        self.replica.initialize()
        if self.replica.writes_values():
            for i, parameter in enumerate(self.network.parameters):
                parameter.value[...] += 0.1 * numbers(parameter.shape, 7, i)
        communicator.barrier()
        if np.dtype(options.dtype).kind == "c":  # data are real; a fit need not know of complex numbers
            self._copy(LayerRunner(subject, communicator, shards, options._replace(dtype=np.float64)))
        else:
            learned(self.replica, subject, options.learned)

    def _copy(self, other: LayerRunner) -> None:
        """Takes over what another runner has learned."""
        self.replica.restore(other.replica.copy())

    def begin(self, sizes: Sequence[int]) -> Cuts:
        """Starts a pass; returns where this rank's rows lie."""
        o, context = self.options, self.replica.context
        layout = Cuts(sizes, self.replica.first, self.replica.last)
        context.begin(layout, **o.moment())
        if o.prepare is not None:
            o.prepare(context)
        return layout

    def run(self, data: Data, sizes: Sequence[int]) -> Passed:
        """Forwards and backwards; in training also the gradients of all ranks."""
        layout = self.begin(sizes)
        x = cast_rows(data.x, layout, self.options)
        y, backward = self.network.forward(x, self.replica.context)
        rows = {"y": y.copy()}
        self.replica.gradients.begin(layout.slices)
        dx = backward(cast_rows(data.dy, layout, self.options))
        if dx is not None:
            rows["dx"] = dx.copy()
        totals = self._gradients() if self.options.training else {}
        totals |= {f"state {short(s.name)}": np.array(s.value) for s in self.network.states}
        return Passed(layout.start, layout.stop, rows, totals)

    def _gradients(self) -> dict[str, Array]:
        replica = self.replica
        replica.gradients.end()
        replica.communicator.barrier()
        total = replica.gather(replica.exchange.reduce(1.0)[0])
        replica.communicator.barrier()
        return {
            f"gradient of {short(p.name)}": replica.layout.view(total, p).copy()
            for p in self.network.parameters
        }


class PartRunner:
    """A loss, a metric or a transform, and a context for it."""

    def __init__(self, subject: Subject, communicator: Communicator, shards: int, options: Options) -> None:
        self.options, self.subject, self.part = options, subject, subject.make()
        ranges = rank_ranges(shards, communicator.size)
        self.local = ranges[communicator.rank]
        self.context = Context(Totals(shards, ranges, communicator), SampleStreams(options.seed))

    def run(self, data: Data, sizes: Sequence[int]) -> Passed:
        """All that the part makes of its rows."""
        o = self.options
        layout = Cuts(sizes, *self.local)
        self.context.begin(layout, **o.moment())
        self.context.layer = self.subject.kind
        if o.prepare is not None:
            o.prepare(self.context)
        x = cast_rows(data.x, layout, o)
        target = data.target
        if target is not None:
            target = (
                cast_rows(target, layout, o) if target.dtype.kind == "f" else frozen_rows(target, layout, o)
            )
        rows = _CALLS[self.subject.kind](self.part, x, target, self.context)
        for name, array in rows.items():
            if o.look is not None:
                o.look(name, array)
        return Passed(layout.start, layout.stop, {name: np.array(array) for name, array in rows.items()}, {})


def _loss(loss: Any, y: Array, target: Any, context: Context) -> dict[str, Any]:
    check_part(loss, Target(target), Output(y.shape[1:]))
    values, backward = loss.forward(y, target, context)
    rows = (
        dict(zip(("values", "weights"), values, strict=True))
        if isinstance(values, tuple)
        else {"values": values}
    )
    rows = {
        name: np.array(array) for name, array in rows.items()
    }  # the engine reads them before backward, too
    rows["dy"] = backward()
    if not context.training:
        rows["predict"] = loss.predict(y)
    return rows


def _metric(metric: Any, y: Array, target: Any, context: Context) -> dict[str, Any]:
    if metric.takes:  # its own check asks what the loss of a run is
        Target(target).read(metric.takes, Output(y.shape[1:]))
    return {"values": metric.forward(y, target, context)}


def _transform(transform: Any, x: Array, target: Any, context: Context) -> dict[str, Any]:
    x, y = transform.forward(x, target, context)
    return {"x": x} if y is None else {"x": x, "target": y}


_CALLS: dict[str, Callable[..., dict[str, Any]]] = {
    "losses": _loss,
    "metrics": _metric,
    "transforms": _transform,
}
