"""A short training run with the part under test in its place, and plain parts of the kit's own in all others."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from dtrain.contracts import ArrayRows, Layer
from dtrain.data import Batches, Blocks
from dtrain.engine import Network, Replica, block_rows, learn
from dtrain.trainer.checkpoint import BEST, Checkpoint, read, write
from dtrain.trainer.evaluate import evaluate
from dtrain.trainer.figures import Figures
from dtrain.trainer.logical import load_slots, slot_arrays, snapshot_arrays, snapshot_of, take
from dtrain.trainer.solving import make_step
from dtrain.trainer.update import Penalty, Update

from .data import sample
from .guard import network
from .plain import Descent, Half, Linear, Pull, Shaped

if TYPE_CHECKING:
    from pathlib import Path

    from dtrain.communicator.protocol import Communicator
    from dtrain.types import Array

    from .subject import Subject

SHARDS = 8
SMALL = {"solvers": 150}  # outputs of the network that is trained: two blocks of parameters
SAMPLES, BATCH = 18, 13  # the second batch has 5 rows: three shards of it are empty


class Job:
    """One rank of a run that trains the part under test, or trains with it. Float32 unless told otherwise.

    resumed: whether `load` follows, instead of what a run does before its first step.
    """

    def __init__(
        self, subject: Subject, communicator: Communicator, dtype: Any = np.float32, resumed: bool = False
    ) -> None:
        kind = subject.kind
        self.communicator, self.dtype = communicator, dtype
        part: Any = None if subject.is_layer else subject.make()
        self.replica = Replica(_network(subject, part, dtype), communicator, SHARDS, 0)
        self.figures = Figures(
            part if kind == "losses" else Pull(), {"metric": part} if kind == "metrics" else {}
        )
        weights = [p for p in self.replica.network.parameters if p.role == "weight"]
        penalties = [Penalty(part, weights)] if kind == "regularizers" else []
        self.update = Update(self.replica, part if kind == "optimizers" else Descent(), penalties)
        transforms = [part] if kind == "transforms" else []
        self.step = make_step(self.replica, self.figures, self.update, transforms)
        data = sample(subject, SAMPLES)
        rows = ArrayRows(data.x.astype(dtype), data.target)
        own = SHARDS, self.replica.first, self.replica.last, dtype
        self.batches = Batches(rows, BATCH, *own)
        self.blocks = Blocks(rows, block_rows(self.replica.network, BATCH), *own)
        if not resumed:
            self.replica.initialize()
            learn(self.replica, self.batches, "start")
        self.done = 0
        self.seen: dict[str, Array] = {}

    def train(self, epochs: int) -> None:
        """Trains on all samples this often; keeps the totals of every step, and penalties, in `seen`."""
        for epoch in range(self.done // self.batches.count, self.done // self.batches.count + epochs):
            order = self.batches.order(0, epoch)
            for index in range(self.batches.count):
                self.step(self.batches.whole(index, order), epoch, self.done)
                self.done += 1
                self.seen[f"loss, weight and metrics of step {self.done}"] = self.step.sums[:-1].copy()
        if self.update.penalties:
            self.seen["penalty"] = np.array(self.update.penalty())

    def figures_in_inference(self) -> dict[str, Array]:
        """Returns the loss and the metric over all samples. A collective."""
        figures = evaluate(self.replica, self.figures, self.blocks)
        return {f"{name} in inference": np.array(figure) for name, figure in figures.items()}

    def left(self) -> dict[str, Array]:
        """Returns all that training left: totals of steps, figures, parameters, states, slots. A collective.

        After it, layers that learn at the end have learned.
        """
        learn(self.replica, self.batches, "end")
        return self.seen | self.arrays() | self.figures_in_inference()

    def arrays(self) -> dict[str, Array]:
        """Returns all parameters, states and optimizer slots by logical name, copies. A collective."""
        slots = {name: self.replica.gather(own) for name, own in self.update.slots.items()}
        arrays = snapshot_arrays(self.replica, take(self.replica)) | slot_arrays(self.replica, slots)
        return {name: array.copy() for name, array in arrays.items()}

    def save(self, folder: Path) -> None:
        """Writes a checkpoint, as a run does. A collective."""
        arrays = self.arrays()
        if self.communicator.rank == 0:
            write(folder / BEST, Checkpoint(arrays, self._cursor()))
        self.communicator.barrier()

    def _cursor(self) -> dict[str, Any]:
        return {"step": self.done, "optimizer": self.update.optimizer.state()}

    def load(self, folder: Path) -> None:
        """Goes on from a checkpoint. A collective."""
        path = folder / BEST
        checkpoint = read(path)
        snapshot = snapshot_of(self.replica, checkpoint.arrays, path)
        load_slots(self.replica, self.update.slots, checkpoint.arrays, path)
        self.replica.restore((snapshot.values, snapshot.states))
        self.update.optimizer.load_state(checkpoint.cursor["optimizer"])
        self.done = checkpoint.cursor["step"]


def _network(subject: Subject, part: Any, dtype: Any) -> Network:
    if subject.is_layer:
        return network(subject, dtype, needs_dx=False)
    wanted = subject.kind in ("losses", "metrics")
    units = prod(subject.flat_input) if wanted else subject.outputs or SMALL.get(subject.sort, 700)
    layers: list[tuple[str, Layer]] = [
        ("linear", Linear(units, part if subject.kind == "initializers" else Half()))
    ]
    if wanted:
        layers.append(("shape", Shaped(subject)))
    return Network(layers, subject.flat_input, dtype, lambda _: Half())


def trained(subject: Subject, communicator: Communicator) -> dict[str, Array]:
    """Returns all that is left of two epochs of training: every total, parameter, state and slot. A collective."""
    job = Job(subject, communicator)
    job.train(2)
    return job.left()
