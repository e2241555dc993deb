"""Runs one layer, or one loss, alone: on serial or thread ranks, over shards of any given sizes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import dtrain_plugins
from dtrain.communicator import CountingCommunicator, SerialCommunicator, run_ranks
from dtrain.contracts import Output, Target
from dtrain.engine import Context, Layout, Network, Replica
from dtrain.engine.totals import Totals
from dtrain.random import SampleStreams
from dtrain.registry.registry import Registry
from dtrain.testing import KEYS
from dtrain.testing.passes import Cuts
from dtrain.trainer.fit import check_part
from dtrain_plugins.activations import dtrain_activations
from dtrain_plugins.initializers import dtrain_initializers
from dtrain_plugins.layers import dtrain_layers

STEP = 1e-30
"""h of the complex step: Im f(x + ihv)/h has no difference in it, so no digit is lost."""


def initializer(name):
    """The initializers that layers may name."""
    return dtrain_initializers()[name]()


@cache
def registry(*plugins):
    """The parts as users get them, and those of further plugins, (name, module) each.

    What is not installed comes from the source tree.
    """
    folders = sorted(path.parent for path in Path(dtrain_plugins.__file__).parent.glob("*/__init__.py"))
    builtin = [(folder.name, import_module(f"dtrain_plugins.{folder.name}")) for folder in folders]
    installed = {point.load() for point in entry_points(group="dtrain")}
    return Registry.load(extra=[pair for pair in (*builtin, *plugins) if pair[1] not in installed])


def built(kind, name, options):
    """A part, made from options as a config has them: parts among them by name."""
    return registry().bind(kind, name, options, f"[{kind}]").build()


def layers_and_activations():
    """Every built-in layer: name → class."""
    return {**dtrain_layers(), **dtrain_activations()}


def options_of(example):
    """The options in an example, without the keys that are for the checks."""
    checked = {key for keys in KEYS.values() for key in keys}
    return {key: value for key, value in example.items() if key not in checked}


def examples_of(parts):
    """Yields (name, part, options, extra) for each example of each part; extra: "input", "target" and the like."""
    for name, part in parts.items():
        for example in part.examples:
            options = options_of(example)
            yield name, part, options, {"input": (8,)} | {k: example[k] for k in example if k not in options}


class Passed(NamedTuple):
    """What a layer made of a global batch, over all ranks."""

    y: np.ndarray
    dx: np.ndarray | None
    gradients: dict[str, np.ndarray]
    """By the name of the parameter, of the sum over all rows."""
    states: dict[str, np.ndarray]
    calls: list[dict[str, int]]
    """Collectives of rank 0: in the forward, in the backward."""


def run_layer(
    make: Callable[[], Any],
    x: np.ndarray,
    dy: np.ndarray | None = None,
    *,
    sizes: Sequence[int] | None = None,
    ranks: int | None = None,
    training: bool = True,
    sampling: bool | None = None,
    values: Mapping[str, np.ndarray] | None = None,
    states: Mapping[str, np.ndarray] | None = None,
    seed: int = 0,
    epoch: int = 0,
    place: int = 0,
    name: str = "layer",
    share_memory: bool = True,
) -> Passed:
    """Builds the layer on every rank, and runs it forwards, and backwards where there is a dy.

    x, dy: of the global batch. sizes: of the shards; by default all rows are one. ranks: None is a serial
    communicator. values, states: by their names without the layer's; parameters that are not named get
    their initializer's.
    """
    sizes = [len(x)] if sizes is None else list(sizes)
    assert sum(sizes) == len(x)

    def job(communicator):
        counting = CountingCommunicator(communicator)
        network = Network([(name, make())], x.shape[1:], x.dtype, initializer, needs_dx=True)
        replica = Replica(network, counting, len(sizes), seed)
        replica.initialize()
        if replica.writes_values():
            for parameter in network.parameters:
                short = parameter.name.removeprefix(f"{name}.")
                parameter.value[...] = (values or {}).get(short, parameter.value)
        for state in network.states:
            short = state.name.removeprefix(f"{name}.")
            state.value = np.array((states or {}).get(short, state.value))
        counting.barrier()
        layout = Cuts(sizes, replica.first, replica.last)
        mine = slice(layout.start, layout.stop)
        context = replica.context
        context.begin(layout, training=training, sampling=sampling, step=epoch * 10, epoch=epoch, place=place)
        counting.reset()
        y, backward = network.forward(frozen(x[mine]), context)
        forward_calls = +counting.calls
        assert y.shape == (layout.local, *network.shape)
        assert y.flags.c_contiguous
        y = y.copy()
        counting.reset()
        dx, gradients = None, {}
        if dy is not None:
            replica.gradients.begin(layout.slices)
            dx = backward(frozen(dy[mine]))
            assert dx.flags.c_contiguous
            assert dx.shape == x[mine].shape
            backward_calls = +counting.calls
            if training:
                replica.gradients.end()
                counting.barrier()
                total = replica.gather(replica.exchange.reduce(1.0)[0])
                gradients = {
                    p.name.removeprefix(f"{name}."): replica.layout.view(total, p).copy()
                    for p in network.parameters
                }
            dx = dx.copy()
        else:
            backward_calls = {}
        kept = {s.name.removeprefix(f"{name}."): s.value.copy() for s in network.states}
        return y, dx, gradients, kept, [dict(forward_calls), dict(backward_calls)]

    parts = [job(SerialCommunicator())] if ranks is None else run_ranks(ranks, job, share_memory)
    for _, _, gradients, kept, _ in parts[1:]:  # replicas do not drift apart
        same_bits(gradients, parts[0][2])
        same_bits(kept, parts[0][3])
    return Passed(
        np.concatenate([part[0] for part in parts]),
        None if dy is None else np.concatenate([part[1] for part in parts]),
        *parts[0][2:],
    )


def check(part, target, shape):
    """Ask the door whether a loss, a metric or a transform takes these targets for outputs of this shape."""
    check_part(part, Target(None if target is None else np.asarray(target)), Output(shape))


def frozen(array):
    """A copy that cannot be written: `x` and `dy` are read-only."""
    array = np.array(array)
    array.setflags(write=False)
    return array


def same_bits(a, b):
    """Fails unless two mappings of arrays, or two arrays, hold the same bits."""
    if not isinstance(a, Mapping):
        a, b = {"": a}, {"": b}
    assert a.keys() == b.keys()
    for key in a:
        assert a[key].dtype == b[key].dtype
        assert a[key].shape == b[key].shape
        assert a[key].tobytes() == b[key].tobytes(), f"{key} differs"


def distance(a, b):
    """‖a − b‖/‖b‖ in float64; ‖a‖ where b is zero."""
    wide = np.complex128 if np.iscomplexobj(a) or np.iscomplexobj(b) else np.float64
    a, b = np.asarray(a, wide), np.asarray(b, wide)
    assert a.shape == b.shape
    return float(np.linalg.norm(a - b) / (np.linalg.norm(b) or 1.0))


def check_gradients(make, x, dy, tolerance=1e-10, **options):
    """Compares dx and every parameter's gradient, element by element, with complex steps of Σ y·dy.

    x, dy: float64. Needs no formula of the layer's derivative: only its forward, on complex numbers.
    """
    given = dict(options.pop("values", {}))
    real = run_layer(make, x, dy, values=given, **options)

    def f(x, values):
        y = run_layer(make, x.astype(np.complex128), values=values, **options).y
        return float((y * dy).sum().imag) / STEP

    expected = np.zeros_like(x)
    for at in np.ndindex(*x.shape):
        moved = x.astype(np.complex128)
        moved[at] += 1j * STEP
        expected[at] = f(moved, given)
    assert distance(real.dx, expected) <= tolerance
    for name, gradient in real.gradients.items():
        value = np.asarray(given[name])
        assert value.shape == gradient.shape
        expected = np.zeros_like(gradient)
        for at in np.ndindex(*value.shape):
            moved = value.astype(np.complex128)
            moved[at] += 1j * STEP
            expected[at] = f(x, given | {name: moved})
        assert distance(gradient, expected) <= tolerance, name
    return real


def message_of(error: type[BaseException], call: Callable[[], Any]) -> str:
    """The whole text of the error that a call must raise."""
    with pytest.raises(error) as caught:
        call()
    return str(caught.value)


def lone_context(rows: int, training: bool = True) -> Context:
    """A context of one rank with one shard, for parts that are no layers."""
    context = Context(Totals(1, [(0, 1)], SerialCommunicator()), SampleStreams(0))
    context.begin(Layout(rows, 1, 0, 1), training=training, step=0, epoch=0, place=0)
    return context


def run_loss(loss, y, target, training=True):
    """Returns (values, dy) of a loss on these rows."""
    values, backward = loss.forward(frozen(y), frozen(target), lone_context(len(y), training))
    values = values.copy()
    dy = backward()
    assert values.shape == (len(y),)
    assert dy.shape == y.shape
    assert dy.flags.c_contiguous
    return values, dy


def check_rows_are_their_own(run, y, target):
    """Fails when the bits of a row depend on how many rows are beside it, as those of a product may.

    run(y, target): arrays of as many rows each.
    """
    whole = run(y, target)
    for cut in range(1, len(y)):
        parts = zip(run(y[:cut], target[:cut]), run(y[cut:], target[cut:]), strict=True)
        for got, expected in zip(parts, whole, strict=True):
            same_bits(np.concatenate(got), expected)
