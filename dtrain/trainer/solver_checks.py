"""What a job must be for an optimizer with a step of its own: one function, whose gradient is its derivative."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dtrain.errors import ConfigError

if TYPE_CHECKING:
    from dtrain.contracts import Layer, Loss, Regularizer, Solver

    from .job import Job


def check_solver(job: Job, solver: Solver) -> None:
    """Raises ConfigError for the first thing that an optimizer with a step of its own cannot bear."""
    name, where = job.config.optimizer.name, job.config.optimizer.where
    for option in ("clip_norm", "clip_value"):
        value = getattr(job.config.train, option)
        if value is not None:
            raise ConfigError(
                f"[train] {option}: expected none beside the optimizer {name!r}, which chooses the length of its "
                f"step by the loss, got {value:g}; leave it out"
            )
    for plural, word, part_name, part in _with_gradients(job):
        if part.surrogate:
            raise ConfigError(
                f"{where} name: {name!r} takes {plural} whose gradient is the derivative of the loss, got "
                f"{part_name!r}, {part.surrogate}; take another optimizer or another {word}"
            )
    for regularizer, table in zip(job.regularizers, job.config.regularizers, strict=True):
        if not regularizer.smooth:
            raise ConfigError(
                f"{table.where} name: expected a penalty with a derivative everywhere for the optimizer {name!r}, "
                f"got {table.name!r}; take l2, or another optimizer"
            )
    try:
        solver.check(sum(p.size for p in job.network.parameters if p.trainable))
    except ValueError as error:
        raise ConfigError(f"{where} name: {name!r}: {error}") from error


def _with_gradients(job: Job) -> Iterator[tuple[str, str, str, Layer | Loss | Regularizer]]:
    """Yields all that has a gradient: (words for the kind and for one of it, name, part)."""
    for name, layer in job.network.inventory.layers.items():
        yield "layers", "layer", name, layer
    yield "losses", "loss", job.config.loss.name, job.loss
    for config, regularizer in zip(job.config.regularizers, job.regularizers, strict=True):
        yield "regularizers", "regularizer", config.name, regularizer
