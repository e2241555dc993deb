"""A short training run with the part under test in its place, and plain parts of the kit's own in all others."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from dtrain.contracts import ArrayRows, Initializer, Layer, Loss, Optimizer
from dtrain.data import Batches
from dtrain.engine import Context, Maker, Network, Replica
from dtrain.trainer.checkpoint import BEST, Checkpoint, read, write
from dtrain.trainer.evaluate import evaluate
from dtrain.trainer.figures import Figures
from dtrain.trainer.logical import load_slots, slot_arrays, snapshot_arrays, snapshot_of, take
from dtrain.trainer.step import Step
from dtrain.trainer.update import Penalty, Update

from .data import sample
from .guard import network

if TYPE_CHECKING:
    from pathlib import Path

    from dtrain.communicator.protocol import Communicator
    from dtrain.types import Array, Backward, Shape

    from .subject import Subject

SHARDS = 8
SAMPLES, BATCH = 18, 13  # the second batch has 5 rows: three shards of it are empty


class Half(Initializer):
    """Half of what is drawn from the standard normal distribution."""

    def __call__(self, shape: Shape, fans: tuple[int, int], random: Any) -> Array:
        return random.normal(shape, 0.0, 0.5)


class Linear(Layer):
    """y = s·(x·W + b), x (rows, …) → (rows, units): parameters of all roles, several blocks of them."""

    def __init__(self, units: int, initializer: Initializer) -> None:
        self.units, self.initializer = units, initializer

    def build(self, shape: Shape, make: Maker) -> Shape:
        self.weight = make.parameter("weight", (prod(shape), self.units), self.initializer)
        self.bias = make.parameter("bias", (self.units,), Half(), role="bias")
        self.scale = make.parameter("scale", (self.units,), Half(), role="scale")
        return (self.units,)

    def forward(self, x: Array, context: Context) -> tuple[Array, Backward]:
        flat, shape = x.reshape(len(x), self.weight.shape[0]), x.shape
        z = context.matmul(flat, self.weight.value) + self.bias.value

        def backward(dy: Array) -> Array:
            dz = dy * self.scale.value
            context.gradient(self.scale, lambda rows, out: np.sum(dy[rows] * z[rows], axis=0, out=out))
            context.gradient(self.bias, lambda rows, out: np.sum(dz[rows], axis=0, out=out))
            context.gradient(self.weight, lambda rows, out: np.matmul(flat[rows].T, dz[rows], out=out))
            return context.matmul(dz, self.weight.value.T).reshape(shape)

        return z * self.scale.value, backward


class Pull(Loss):
    """½ Σ (y − 1)² over a row: it needs no target."""

    def forward(self, y: Array, target: Array, context: Context) -> tuple[Array, Callable[[], Array]]:
        d = y - y.dtype.type(1)
        return 0.5 * np.einsum("ij,ij->i", *(d.reshape(len(y), prod(y.shape[1:])),) * 2), lambda: d


class Descent(Optimizer):
    """θ ← θ − lr·g."""

    lr = 0.05

    def update(self, value: Array, gradient: Array, context: Any, *slots: Array) -> None:
        gradient *= self.lr
        value -= gradient


class Job:
    """One rank of a run that trains the part under test, or trains with it. Float32 unless told otherwise."""

    def __init__(self, subject: Subject, communicator: Communicator, dtype: Any = np.float32) -> None:
        kind = subject.kind
        self.communicator, self.dtype = communicator, dtype
        part: Any = None if subject.is_layer else subject.make()
        self.replica = Replica(_network(subject, part, dtype), communicator, SHARDS, 0)
        self.replica.initialize()
        self.figures = Figures(
            part if kind == "losses" else Pull(), {"metric": part} if kind == "metrics" else {}
        )
        weights = [p for p in self.replica.network.parameters if p.role == "weight"]
        penalties = [Penalty(part, weights)] if kind == "regularizers" else []
        self.update = Update(self.replica, part if kind == "optimizers" else Descent(), penalties)
        transforms = [part] if kind == "transforms" else []
        self.step = Step(self.replica, self.figures, self.update, transforms)
        data = sample(subject, SAMPLES)
        rows = ArrayRows(data.x.astype(dtype), data.target)
        self.batches = Batches(rows, BATCH, SHARDS, self.replica.first, self.replica.last, dtype)
        self.done = 0
        self.seen: dict[str, Array] = {}

    def train(self, epochs: int) -> None:
        """Trains on all samples this often; keeps the totals of every step, and penalties, in `seen`."""
        for epoch in range(self.done // self.batches.count, self.done // self.batches.count + epochs):
            order = self.batches.order(0, epoch)
            for index in range(self.batches.count):
                self.step(self.batches.cut(index, order), epoch, self.done)
                self.done += 1
                self.seen[f"loss, weight and metrics of step {self.done}"] = self.step.sums[:-1].copy()
        if self.update.penalties:
            self.seen["penalty"] = np.array(self.update.penalty())

    def figures_in_inference(self) -> dict[str, Array]:
        """Returns the loss and the metric over all samples. A collective."""
        figures = evaluate(self.replica, self.figures, self.batches)
        return {f"{name} in inference": np.array(figure) for name, figure in figures.items()}

    def left(self) -> dict[str, Array]:
        """Returns all that training left: totals of steps, figures, parameters, states, slots. A collective."""
        return self.seen | self.arrays() | self.figures_in_inference()

    def arrays(self) -> dict[str, Array]:
        """Returns all parameters, states and optimizer slots by logical name, copies. A collective."""
        arrays = snapshot_arrays(self.replica, take(self.replica)) | slot_arrays(self.replica, self.update)
        return {name: array.copy() for name, array in arrays.items()}

    def save(self, folder: Path) -> None:
        """Writes a checkpoint, as a run does. A collective."""
        arrays = self.arrays()
        if self.communicator.rank == 0:
            write(folder / BEST, Checkpoint(arrays, {"step": self.done}))
        self.communicator.barrier()

    def load(self, folder: Path) -> None:
        """Goes on from a checkpoint. A collective."""
        path = folder / BEST
        checkpoint = read(path)
        snapshot = snapshot_of(self.replica, checkpoint.arrays, path)
        load_slots(self.replica, self.update, checkpoint.arrays, path)
        self.replica.restore((snapshot.values, snapshot.states))
        self.done = checkpoint.cursor["step"]


def _network(subject: Subject, part: Any, dtype: Any) -> Network:
    if subject.is_layer:
        return network(subject, dtype)
    wanted = subject.kind in ("losses", "metrics")
    units = prod(subject.flat_input) if wanted else 700
    layers: list[tuple[str, Layer]] = [
        ("linear", Linear(units, part if subject.kind == "initializers" else Half()))
    ]
    if wanted:
        layers.append(("shape", _Reshape(subject)))
    return Network(layers, subject.flat_input, dtype, lambda _: Half())


class _Reshape(Layer):
    """Gives the output the shape, and the range, that the part under test asks for."""

    def __init__(self, subject: Subject) -> None:
        self.shape, self.range = subject.flat_input, subject.range

    def build(self, shape: Shape, make: Maker) -> Shape:
        return self.shape

    def forward(self, x: Array, context: Context) -> tuple[Array, Backward]:
        y = x.reshape(len(x), *self.shape)
        if self.range is None:
            return y, lambda dy: dy.reshape(x.shape)
        low, high = (x.dtype.type(end) for end in self.range)
        half = (high - low) / 2
        t = np.tanh(y) * x.dtype.type(0.9)
        return low + half * (1 + t), lambda dy: (dy * half * (x.dtype.type(0.9) - t * t)).reshape(x.shape)


def trained(subject: Subject, communicator: Communicator) -> dict[str, Array]:
    """Returns all that is left of two epochs of training: every total, parameter, state and slot. A collective."""
    job = Job(subject, communicator)
    job.train(2)
    return job.left()
