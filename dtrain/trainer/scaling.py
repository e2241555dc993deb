"""The learning rate scaled with the global batch, where the config asks for it."""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING

from dtrain.errors import ConfigError

if TYPE_CHECKING:
    from dtrain.config import Config
    from dtrain.contracts import Optimizer


def scale_lr(config: Config, optimizer: Optimizer) -> str | None:
    """Multiplies the optimizer's lr as `[train] scale_lr` says; returns the line that tells so, or None.

    With k = batch_size/reference: "linear", lr·k (Goyal et al., "Accurate, large minibatch SGD", 2017); "sqrt",
    lr·√k (Krizhevsky, "One weird trick for parallelizing convolutional neural networks", 2014). Schedules act on
    the scaled rate; the resolved config keeps the one that was given. Raises ConfigError where there is no lr.
    """
    scale = config.train.scale_lr
    if scale is None:
        return None
    given = getattr(optimizer, "lr", None)
    if not isinstance(given, (int, float)):
        raise ConfigError(
            f"[train] scale_lr: expected an optimizer with an option lr, got {config.optimizer.name!r} without; "
            "leave scale_lr out"
        )
    ratio = config.train.batch_size / scale.reference
    scaled = given * (ratio if scale.rule == "linear" else sqrt(ratio))
    vars(optimizer)["lr"] = scaled
    return (
        f"lr {given:g} → {scaled:g} ({scale.rule}, batch {config.train.batch_size} against {scale.reference})"
    )
