"""What a network says of rows, block by block, this rank's rows alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from dtrain.contracts import ArrayRows
from dtrain.errors import ConfigError, did_you_mean, listed
from dtrain.registry import blaming

from .not_finite import NotFinite

if TYPE_CHECKING:
    from dtrain.contracts import Rows
    from dtrain.data import Batch
    from dtrain.engine import Network
    from dtrain.types import Array

    from .trained import Trained


class Predictor:
    """Predicts in blocks of one shape: a row has the same bits beside any others, and on any number of ranks.

    layer: its output instead of the loss's `predict` of the last layer's. raw: the last layer's output as it is.
    draws: Monte-Carlo dropout (Gal & Ghahramani, "Dropout as a Bayesian approximation: representing model
    uncertainty in deep learning", 2016): the network is sampled that often, and predictions are

        mean = 1/n Σ yₖ,   spread = √(1/n Σ (yₖ − mean)²)

    of what users see (their equations 5 and 6 without the model's own noise τ⁻¹). What is drawn is a function of the
    seed, the draw and the sample's place in the input; batch norm keeps to its running statistics.

    shape, dtype: of one prediction. problem: why samples could not be used. not_finite: the rows with NaN or infinity,
    which pass through.
    Raises ConfigError for a layer that does not exist, and for draws of a network that draws nothing.
    """

    def __init__(
        self, trained: Trained, *, layer: str | None = None, draws: int | None = None, raw: bool = False
    ) -> None:
        self._trained, self.draws = trained, draws
        self._raw = raw or layer is not None
        self._until = None if layer is None else _place_of(layer, trained.network)
        self.problem: str | None = None
        self.not_finite = NotFinite()
        y = self._try()
        self.shape = y.shape[1:]
        self.dtype = y.dtype if draws is None or y.dtype.kind == "f" else trained.network.dtype

    def _try(self) -> Array:
        """Returns the prediction of no rows."""
        trained = self._trained
        nothing = ArrayRows(np.zeros((0, *trained.network.input_shape), trained.network.dtype))
        with np.errstate(all="ignore"), blaming(trained.registry):
            y = self._pass(trained.blocks(nothing).none(), 0)
        if self.draws is not None and not trained.replica.inference.drew:
            raise ConfigError(
                "draws: expected a network with a layer that draws random numbers, such as dropout, got none; "
                "all draws would be the same"
            )
        return y

    def blocks(self, rows: Rows) -> Iterator[tuple[slice, tuple[Array, ...]]]:
        """Yields which rows, and (y,) or (mean, spread) of them, good until the next: this rank's rows, in order."""
        for block in self._trained.blocks(rows):
            self.problem = self.problem or block.batch.problem
            self.not_finite.look_at(rows, block)
            with np.errstate(all="ignore"), blaming(self._trained.registry):
                found = self._of(block.batch)
            yield block.where, tuple(array[: block.rows] for array in found)

    def _of(self, batch: Batch) -> tuple[Array, ...]:
        if self.draws is None:
            return (self._pass(batch, 0),)
        mean = np.zeros((len(batch.x), *self.shape))
        squares = np.zeros_like(mean)
        for draw in range(self.draws):  # Welford's recurrence: nothing cancels, and no draw is kept
            y = self._pass(batch, draw)
            away = y - mean
            mean += away / (draw + 1)
            squares += away * (y - mean)
        spread = np.sqrt(squares / self.draws)
        return mean.astype(self.dtype), spread.astype(self.dtype)

    def _pass(self, batch: Batch, draw: int) -> Array:
        network, context = self._trained.network, self._trained.replica.inference
        context.begin(
            batch.layout,
            training=False,
            sampling=self.draws is not None,
            step=0,
            epoch=draw,
            place=batch.place,
        )
        y, _ = network.forward(batch.x, context, self._until)
        return y if self._raw else self._trained.loss.predict(y)


def _place_of(layer: str, network: Network) -> int:
    """Returns how many layers to run for the output of this one."""
    names = [node.name for node in network.nodes]
    if layer not in names:
        raise ConfigError(
            f"layer: expected the id of a layer, got {layer!r}{did_you_mean(layer, names)}; "
            f"there are {listed(names)}"
        )
    return names.index(layer) + 1
