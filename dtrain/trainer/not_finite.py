"""The errors of steps whose loss or gradient is not finite."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dtrain.errors import DtrainError, NonFiniteError, on_all_ranks

if TYPE_CHECKING:
    from dtrain.types import Array

    from .trainer import Trainer


def step_not_finite(trainer: Trainer, sums: Array) -> DtrainError:
    """Returns the error for the step in hand, of every rank alike. A collective."""
    return on_all_ranks(
        NonFiniteError(
            f"step {trainer.step + 1} (epoch {trainer.epoch + 1}): expected a finite loss and gradient, got "
            f"{_what(trainer, sums)}; lower the learning rate, clip (train.clip_norm), or skip such steps "
            '(train.non_finite = "skip"); dtrain debug names the layer'
        )
    )


def _what(trainer: Trainer, sums: Array) -> str:
    loss = sums[0] / sums[1] if sums[1] else np.nan
    if not np.isfinite(loss):
        return f"a loss of {loss:.4g}"
    parameters = trainer.replica.network.parameters
    own = (p.name for p in parameters if p.trainable and not np.isfinite(p.grad).all())
    found = [name for name in trainer.communicator.share(next(own, None)) if name is not None]
    return f"another gradient{f' of {found[0]!r}' if found else ''} at a loss of {loss:.4g}"


def epoch_not_finite(epoch: int) -> DtrainError:
    """Returns the error for an epoch in which every step was skipped."""
    return on_all_ranks(
        NonFiniteError(
            f"epoch {epoch}: expected a finite loss and gradient in one step at least, got none, so that nothing "
            "was trained; lower the learning rate, or clip (train.clip_norm)"
        )
    )
