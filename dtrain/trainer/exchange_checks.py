"""What a job must be for an exchange that is not the engine's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dtrain.contracts import GradientExchange, Solver, ValueExchange
from dtrain.errors import ConfigError

if TYPE_CHECKING:
    from .job import Job


def check_exchange(job: Job) -> None:
    """Raises ConfigError for an optimizer or a procedure that cannot bear it."""
    if not isinstance(job.exchange, (GradientExchange, ValueExchange)):
        return
    config = job.config
    got = f"got {config.train.exchange.name!r}; leave exchange out"
    if isinstance(job.optimizer, Solver):
        raise ConfigError(
            f"[train] exchange: expected 'exact' beside the optimizer {config.optimizer.name!r}, which has to see one "
            f"function on all ranks, {got}, or take another optimizer"
        )
    if config.procedure is not None and isinstance(job.exchange, ValueExchange):
        raise ConfigError(
            "[train] exchange: expected an exchange of gradients beside the procedure "
            f"{config.procedure.name!r}, whose steps are those of all ranks, {got}, or the procedure"
        )
