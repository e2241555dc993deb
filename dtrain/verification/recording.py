"""What one rank notes of a run: at the start, after every step and at the end, a digest of every tensor."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from dtrain.trainer.logical import slot_arrays
from dtrain.trainer.tensors import described, in_network_order

from .trace import Seen, Trace

if TYPE_CHECKING:
    from dtrain.trainer import Trainer
    from dtrain.types import Array

END = -1
"""Keep the arrays of the end."""


@dataclass(frozen=True)
class Place:
    """A moment of a run. step: global batches trained on. over: the run has ended, callbacks and fits are done."""

    step: int
    epoch: int
    over: bool = False


@dataclass
class Recording:
    """The notes of one rank. digests: at each place, of tensors by name (`value/dense_1.weight`), in network order.

    titles: what messages call them, and layers by id. kept: the arrays at one place. trace: of the step before it.
    """

    places: list[Place] = field(default_factory=list)
    digests: list[dict[str, str]] = field(default_factory=list)
    titles: dict[str, str] = field(default_factory=dict)
    kept: dict[str, Array] = field(default_factory=dict)
    trace: list[Seen] = field(default_factory=list)


class Recorder:
    """Makes the notes of one rank. keep: the number of the place whose arrays are kept, where the run ends then."""

    def __init__(self, trainer: Trainer, recording: Recording, keep: int | None) -> None:
        self._trainer, self._recording, self._keep = trainer, recording, keep
        trainer.progress.speaks = False
        trainer.looks.append(self.look)
        network = trainer.replica.network
        for node in network.nodes:
            within = (
                ", or one within it" if any(n.startswith(f"{node.name}.") for n in network.layers) else ""
            )
            recording.titles[node.name] = f"layer {node.name!r} ({network.describe(node.layer)}{within})"
        self._trace = None if keep is None else Trace(trainer, recording.trace)

    def look(self) -> None:
        """After a step. A collective."""
        self._note(over=False)
        number = len(self._recording.places) - 1
        if self._trace is not None:
            self._trace.on = number + 1 == self._keep
        if number == self._keep:
            self._trainer.stop("what was to be compared is there")

    def finish(self) -> None:
        """After the run. A collective."""
        self._note(over=True)

    def _note(self, *, over: bool) -> None:
        position, per_epoch = self._trainer.position, self._trainer.batches.count
        arrays = dict(self._arrays())
        recording = self._recording
        recording.places.append(Place(position, max(position - 1, 0) // per_epoch + 1, over))
        recording.digests.append({name: _digest(array) for name, array in arrays.items()})
        if self._keep == len(recording.places) - 1 or (over and self._keep == END):
            recording.kept = {name: np.array(array) for name, array in arrays.items()}

    def _arrays(self) -> Iterator[tuple[str, Array]]:
        """Yields (name, array); what all ranks share on rank 0 alone. A collective."""
        replica, titles = self._trainer.replica, self._recording.titles
        alone = replica.communicator.rank == 0
        for kind, name, array in in_network_order(replica):
            if kind == "state" or alone or not replica.shares_values:
                titles[f"{kind}/{name}"] = described(replica.network, name)
                yield f"{kind}/{name}", array
        own = self._trainer.update.slots
        slots = slot_arrays(replica, {name: replica.gather(slot) for name, slot in own.items()})
        for key, array in slots.items() if alone else ():
            _, slot, name = key.split("/", 2)
            titles[key] = f"the optimizer's {slot!r} of {described(replica.network, name)}"
            yield key, array
        for key, title, value in self._numbers():
            titles[key] = title
            yield key, np.asarray(value)

    def _numbers(self) -> Iterator[tuple[str, str, Any]]:
        trainer = self._trainer
        for name, value in trainer.options.items():
            if isinstance(value, (int, float)):
                yield f"option/{name}", f"the option {name!r} of the optimizer", float(value)
        sums, at = trainer.train_step.sums, 2
        if len(sums):
            yield "figure/loss", "the loss of the batch (sum and weight)", sums[:2]
            for name, width in zip(trainer.job.metrics, trainer.figures.widths, strict=True):
                yield f"figure/{name}", f"the sums of the metric {name!r} of the batch", sums[at : at + width]
                at += width
        for split, figures in (("training", trainer.train), ("validation", trainer.validation or {})):
            for name, value in figures.items():
                yield f"{split}/{name}", f"the {split} figure {name!r} of the epoch", value


def _digest(array: Array) -> str:
    digest = hashlib.blake2b(f"{array.dtype.str} {array.shape} ".encode(), digest_size=16)
    digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
