"""What the tests of the engine and of training share: reference sums, networks, jobs on thread ranks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from dtrain.communicator import SerialCommunicator, run_ranks
from dtrain.contracts import ArrayRows, Initializer, Layer, Loss, Metric
from dtrain.data import Batches, Blocks
from dtrain.engine import Context, Layout, Network, Replica, block_rows, rank_ranges, resolve_shards
from dtrain.engine.totals import Totals
from dtrain.errors import did_you_mean
from dtrain.random import SampleStreams
from dtrain.trainer.figures import Figures
from dtrain.trainer.solving import make_step
from dtrain.trainer.update import Update

RANKS = (1, 2, 3, 5, 8)
MEMORY = pytest.mark.parametrize("share_memory", [True, False], ids=["shared", "private"])


# ---------------------------------------------------------------------- references


def tree_sum(rows: Sequence[Any], add: Callable[[Any, Any], Any] = np.add) -> Any:
    """The sum as the module docstring of `tree` puts it: neighbours pair up, an odd one out passes up."""
    rows = list(rows)
    while len(rows) > 1:
        rows = [add(*pair) if len(pair) == 2 else pair[0] for pair in _pairs(rows)]
    return rows[0]


def tree_nodes(leaves: int) -> set[tuple[int, int]]:
    """All nodes of the tree over this many leaves, from its definition."""
    level = [(i, i + 1) for i in range(leaves)]
    nodes = set(level)
    while len(level) > 1:
        level = [(pair[0][0], pair[-1][1]) for pair in _pairs(level)]
        nodes.update(level)
    return nodes


def _pairs(rows: Sequence[Any]) -> list[Sequence[Any]]:
    return [rows[i : i + 2] for i in range(0, len(rows), 2)]


def rough(*shape: int, seed: int = 0, dtype: Any = np.float32) -> Any:
    """Numbers of very different sizes: almost any other order of additions gives other bits."""
    random = np.random.default_rng(seed)
    numbers = random.standard_normal(shape) * 2.0 ** random.integers(-8, 9, shape)
    if np.dtype(dtype).kind == "c":
        numbers = numbers + 1j * random.standard_normal(shape)
    return numbers.astype(dtype)


def assert_same_bits(actual: Any, expected: Any) -> None:
    """Equal in dtype, shape and every bit: −0 is not 0, and a NaN equals itself."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert (actual.dtype, actual.shape) == (expected.dtype, expected.shape)
    if actual.dtype == np.longdouble:  # its padding bytes hold anything
        same = np.array_equal(actual, expected) and np.array_equal(np.signbit(actual), np.signbit(expected))
    else:
        same = actual.tobytes() == expected.tobytes()
    if not same:
        np.testing.assert_array_equal(actual, expected)
        raise AssertionError(f"equal numbers, other bits: {actual} and {expected}")


def assert_other_bits(actual: Any, expected: Any) -> None:
    """A negative control: had the code done that, its test would have seen it."""
    assert np.asarray(actual).shape == np.asarray(expected).shape
    assert np.asarray(actual).tobytes() != np.asarray(expected).tobytes()


@contextmanager
def refused(kind: type[Exception], message: str, *notes: str) -> Iterator[pytest.ExceptionInfo[Exception]]:
    """What happens within must raise exactly `kind`, with exactly this text and these notes."""
    with pytest.raises(kind) as caught:
        yield caught
    assert type(caught.value) is kind
    assert str(caught.value) == message
    assert getattr(caught.value, "__notes__", []) == list(notes)


# ---------------------------------------------------------------------- contexts


def in_context(
    ranks: int,
    rows: int,
    body: Callable[[Context, slice], Any],
    *,
    shards: int = 8,
    seed: int = 0,
    training: bool = True,
    step: int = 0,
    epoch: int = 0,
    place: int = 0,
) -> list[Any]:
    """Returns every rank's body(context, mine); mine: its rows of the global batch."""

    def job(communicator: Any) -> Any:
        ranges = rank_ranges(shards, communicator.size)
        context = Context(Totals(shards, ranges, communicator), SampleStreams(seed))
        layout = Layout(rows, shards, *ranges[communicator.rank])
        context.begin(layout, training=training, step=step, epoch=epoch, place=place)
        context.layer = "layer"
        return body(context, slice(layout.start, layout.stop))

    return run_ranks(ranks, job)


# ---------------------------------------------------------------------- networks


class Constant(Initializer):
    """Every element is `value`."""

    def __init__(self, value: float) -> None:
        self.value = value

    def __call__(self, shape, fans, random):
        return np.full(shape, self.value)


class Drawn(Initializer):
    """Normal numbers of standard deviation 0.5."""

    def __call__(self, shape, fans, random):
        return random.normal(shape, 0.0, 0.5)


INITIALIZERS = {"zeros": Constant(0), "ones": Constant(1), "glorot_uniform": Drawn(), "drawn": Drawn()}


def initializer(name: str) -> Initializer:
    if name not in INITIALIZERS:
        raise ValueError(f"no initializer {name!r}{did_you_mean(name, INITIALIZERS)}")
    return INITIALIZERS[name]


def named(*layers: Layer) -> list[tuple[str, Layer]]:
    """Layers with the names layer_1, layer_2, …"""
    return [(f"layer_{i + 1}", layer) for i, layer in enumerate(layers)]


def network(
    layers: Sequence[tuple[str, Layer]], shape: tuple[int, ...] = (3,), dtype: Any = np.float32
) -> Network:
    return Network(layers, shape, dtype, initializer)


class Scale(Layer):
    """y = w·x, one w a column; it asks for nothing but its gradient."""

    def build(self, shape, make):
        self.weight = make.parameter("weight", shape, "drawn")
        return shape

    def forward(self, x, context):
        w = self.weight.value

        def backward(dy):
            context.gradient(self.weight, lambda rows, out: np.sum(x[rows] * dy[rows], axis=0, out=out))
            return dy * w

        return x * w, backward


class Sum(Layer):
    """The sum of several inputs of one shape."""

    def __init__(self, *inputs: str) -> None:
        self.inputs = inputs

    def build(self, shape, make):
        return shape[0]

    def forward(self, x, context):
        return sum(x[1:], x[0]), lambda dy: (dy,) * len(x)


# ---------------------------------------------------------------------- training


class Job:
    """One rank of a training run, all of its parts at hand."""

    def __init__(
        self, communicator: Any, net: Network, loss: Loss, optimizer: Any, data: ArrayRows, *,
        batch_size: int, shards: Any = 8, seed: int = 0, parts: int = 1,
        metrics: dict[str, Metric] | None = None,
        penalties: Callable[[Network], Sequence[Any]] = lambda net: (), exchange: Any = None, **clip: float,
    ) -> None:  # fmt: skip
        shards = resolve_shards(shards, communicator.size)
        self.communicator, self.seed = communicator, seed
        self.replica = Replica(net, communicator, shards, seed, exchange)
        self.replica.initialize()
        self.figures = Figures(loss, metrics or {})
        self.update = Update(self.replica, optimizer, penalties(net), **clip)
        self.step = make_step(self.replica, self.figures, self.update)
        first, last = self.replica.first, self.replica.last
        self.batches = Batches(data, batch_size, shards, first, last, net.dtype, parts)
        self.blocks = Blocks(data, block_rows(net, batch_size), shards, first, last, net.dtype)
        self.done = 0

    def train(self, epochs: int) -> list[bool]:
        """Returns, for each step, whether it changed the parameters."""
        results = []
        for epoch in range(epochs):
            order = self.batches.order(self.seed, epoch)
            for index in range(self.batches.count):
                results.append(self.step(self.batches.whole(index, order), epoch, self.done))
                self.done += results[-1]
        return results

    def slots(self) -> dict[str, Any]:
        """The optimizer's state, whole. A collective."""
        return {name: self.replica.gather(slot) for name, slot in self.update.slots.items()}


def classes(rows: int, width: int = 6, kinds: int = 3, seed: int = 0) -> ArrayRows:
    """Rows of `kinds` classes that a small network can learn."""
    x = np.random.default_rng(seed).standard_normal((rows, width)).astype(np.float32)
    return ArrayRows(x, x[:, :kinds].argmax(axis=1).astype(np.int64))


def serial(function: Callable[[Any], Any]) -> Any:
    """Runs function(communicator) as the only rank of a job."""
    return function(SerialCommunicator())
