"""What a job must be for an optimizer with a step of its own: one function, whose gradient is its derivative."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dtrain.errors import ConfigError

if TYPE_CHECKING:
    from dtrain.contracts import Solver

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
    for layer_name, layer in job.network.inventory.layers.items():
        if layer.surrogate:
            raise ConfigError(
                f"{where} name: {name!r} takes layers whose gradient is the derivative of the loss, got "
                f"{layer_name!r}, {layer.surrogate}; take another optimizer or another layer"
            )
    for regularizer, part in zip(job.regularizers, job.config.regularizers, strict=True):
        if not regularizer.smooth:
            raise ConfigError(
                f"{part.where} name: expected a penalty with a derivative everywhere for the optimizer {name!r}, "
                f"got {part.name!r}; take l2, or another optimizer"
            )
    try:
        solver.check(sum(p.size for p in job.network.parameters if p.trainable))
    except ValueError as error:
        raise ConfigError(f"{where} name: {name!r}: {error}") from error
