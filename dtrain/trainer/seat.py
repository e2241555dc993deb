"""What a rank holds of a run: its replica, its slice of the optimizer, its shards of the data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dtrain.data import Batches, Blocks
from dtrain.engine import Replica, block_rows

from .checks import ROLES
from .solving import make_step
from .staging import Staging
from .update import Penalty, Update

if TYPE_CHECKING:
    from dtrain.communicator.protocol import Communicator

    from .figures import Figures
    from .job import Job
    from .step import Step


@dataclass(frozen=True)
class Seat:
    """Everything of a run that changes when it goes on with fewer ranks. generation: how often it has done so."""

    generation: int
    replica: Replica
    update: Update
    staging: Staging
    step: Step
    batches: Batches
    samples: Blocks
    """The training samples, to be evaluated."""
    validation: Blocks | None


def make_seat(job: Job, communicator: Communicator, figures: Figures, generation: int = 0) -> Seat:
    """Returns the seat of this rank. A collective: the flat arrays are allocated."""
    config = job.config.train
    replica = Replica(job.network, communicator, job.shards, job.config.seed, job.exchange)
    update = Update(replica, job.optimizer, _penalties(job), config.clip_norm, config.clip_value)
    own: dict[str, Any] = {
        "shards": job.shards,
        "first": replica.first,
        "last": replica.last,
        "dtype": job.network.dtype,
    }
    size = block_rows(job.network, config.batch_size // config.accumulate)
    batches = Batches(
        job.train,
        config.batch_size,
        parts=config.accumulate,
        replacement=config.order == "replacement",
        check=job.fit(training=True),
        **own,
    )
    plain = job.fit(training=False)
    step = make_step(replica, figures, update, job.transforms)
    staging = Staging(replica, update)
    return Seat(
        generation,
        replica,
        update,
        staging,
        step,
        batches,
        Blocks(job.train, size, **own, check=plain),
        None if job.validation is None else Blocks(job.validation, size, **own, check=plain),
    )


def _penalties(job: Job) -> list[Penalty]:
    """Returns each regularizer with the parameters that its config chooses."""
    penalties = []
    for regularizer, part in zip(job.regularizers, job.config.regularizers, strict=True):
        parameters = [
            p
            for node in job.network.nodes
            if part.layers is None or node.name in part.layers
            for p in node.parameters
            if p.role == ROLES[part.on] and p.trainable
        ]
        penalties.append(Penalty(regularizer, parameters))
    return penalties
