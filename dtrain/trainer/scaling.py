"""The learning rate scaled with the global batch, where the config asks for it."""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING, Any

from dtrain.errors import ConfigError, OptionError
from dtrain.options import is_number

if TYPE_CHECKING:
    from dtrain.config import Config
    from dtrain.contracts import Optimizer


def scale_lr(config: Config, optimizer: Optimizer, samples: int) -> str | None:
    """Multiplies the optimizer's lr as `[train] scale_lr` says; returns the line that tells so, or None.

    With k = batch/reference, where batch is what a step has, at most all `samples`: "linear", lr·k (Goyal et al.,
    "Accurate, large minibatch SGD", 2017); "sqrt", lr·√k (Krizhevsky, "One weird trick for parallelizing
    convolutional neural networks", 2014). Schedules act on the scaled rate; the resolved config keeps the one that
    was given. Raises ConfigError where there is no lr, and for a rate that the optimizer does not take.
    """
    scale = config.train.scale_lr
    if scale is None:
        return None
    given: Any = getattr(optimizer, "lr", None)
    if not is_number(given):
        raise ConfigError(
            f"[train] scale_lr: expected an optimizer with an option lr, got {config.optimizer.name!r} without; "
            "leave scale_lr out"
        )
    batch = min(config.train.batch_size, samples or config.train.batch_size)
    ratio = batch / scale.reference
    scaled = given * (ratio if scale.rule == "linear" else sqrt(ratio))
    words = f"lr {given:g} → {scaled:g} ({scale.rule}, batch {batch} against {scale.reference}"
    try:
        optimizer.lr = scaled
    except OptionError as error:
        raise ConfigError(f"[train] scale_lr: {words}): {error}; change lr, rule or reference") from error
    return (
        f"{words}; batch_size is {config.train.batch_size})"
        if batch < config.train.batch_size
        else f"{words})"
    )
