"""Samples held out for validation: chosen by `[data] seed`, the same on every rank."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dtrain.contracts import Subset
from dtrain.errors import ConfigError
from dtrain.random import Stream

if TYPE_CHECKING:
    from dtrain.contracts import Dataset, Rows


def hold_out(dataset: Dataset, fraction: float, seed: int) -> tuple[Rows, Rows | None]:
    """Returns (train, validation): the dataset's own split, or a random `fraction` of its samples held out."""
    if dataset.validation is not None:
        return dataset.train, dataset.validation
    count = round(fraction * len(dataset.train))
    if fraction and not count:
        raise ConfigError(
            f"[data] validation: {fraction} of {len(dataset.train)} samples is none; hold out more, or set it to 0"
        )
    if not count:
        return dataset.train, None
    if count >= len(dataset.train):
        raise ConfigError(
            f"[data] validation: {fraction} of {len(dataset.train)} samples leaves none to train on; hold out fewer"
        )
    order = Stream(seed, "hold out").permutation(len(dataset.train))
    return Subset(dataset.train, np.sort(order[count:])), Subset(dataset.train, np.sort(order[:count]))
