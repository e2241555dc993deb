"""`dtrain.load`: a trained network in this process, without MPI."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from dtrain.communicator import SerialCommunicator
from dtrain.config import Config
from dtrain.contracts import ArrayRows
from dtrain.errors import ConfigError
from dtrain.threads import set_threads, threads_for

from .evaluate import figures_of
from .not_finite import NonFinite, NotFinite, check_choice, checked
from .predictor import Predictor
from .samples import rows_of, targets_of
from .trained import LAST, Trained, load_trained, plain, rebuilt

if TYPE_CHECKING:
    from dtrain.types import Array, Shape


class Model:
    """A trained network; made by `dtrain.load`.

    x: (n, *input_shape), arrays or what NumPy makes one of; columns of a data frame go by their names. Numbers are cast
    to the run's dtype; uint8 means images, scaled to [0, 1], if the run was trained on them. What is returned for a row
    depends on that row alone, to the bit, and is what `dtrain predict` writes; only draws belong to a row's place in x,
    too.
    non_finite: what happens where x holds NaN or infinity, or a number beyond the run's dtype: "warn", by
    `warnings.warn`, "refuse", or "allow".

    May be called from any number of threads: calls that overlap have networks of their own, which share the
    parameters. May be pickled and copied: a pickle holds config, arrays and record as plain values, and needs the
    plugins where it is loaded, but not the run folder. Load pickles from sources you trust only, as with any pickle.
    Raises DataError for samples that do not fit or are refused.
    """

    def __init__(self, trained: Trained) -> None:
        self._trained = trained
        self._idle = deque([trained])
        self._building = Lock()

    @contextmanager
    def _own(self) -> Iterator[Trained]:
        """Gives the caller a network that no other thread uses meanwhile."""
        try:
            trained = self._idle.pop()
        except IndexError:
            with self._building:
                trained = self._trained.twin()
        try:
            yield trained
        finally:
            self._idle.append(trained)

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickled, (plain(self._trained),)

    @property
    def config(self) -> Config:
        """The run's config, with every default."""
        return self._trained.config

    @property
    def checkpoint(self) -> Path:
        """The file that the values came from."""
        return self._trained.path

    @property
    def input_shape(self) -> Shape:
        """The shape of one sample."""
        return self._trained.network.input_shape

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes 0 … K−1, the columns of probabilities; empty where the data had no names."""
        return self._trained.schema.classes

    @property
    def features(self) -> tuple[str, ...]:
        """The names of the columns of x, in order; empty where the data had no names."""
        return self._trained.schema.features

    @property
    def layers(self) -> list[str]:
        """The ids of the layers, in order; a layer without one is called after its part: `dense_1`."""
        return [node.name for node in self._trained.network.nodes]

    @property
    def parameters(self) -> dict[str, Array]:
        """Copies of all parameters, by name."""
        return {p.name: p.value.copy() for p in self._trained.network.parameters}

    @property
    def states(self) -> dict[str, Array]:
        """Copies of all running statistics, by name."""
        return {state.name: state.value.copy() for state in self._trained.network.states}

    @overload
    def predict(
        self, x: Any, draws: None = None, *, layer: str | None = None, non_finite: NonFinite = "warn"
    ) -> Array: ...
    @overload
    def predict(
        self, x: Any, draws: int, *, layer: str | None = None, non_finite: NonFinite = "warn"
    ) -> tuple[Array, Array]: ...
    def predict(
        self, x: Any, draws: int | None = None, *, layer: str | None = None, non_finite: NonFinite = "warn"
    ) -> Array | tuple[Array, Array]:
        """Returns what the loss makes of the outputs (probabilities, classes), a row a sample.

        draws: Monte-Carlo dropout: samples the network that often; returns (mean, spread), the spread being the
        standard deviation over the draws. The same numbers at every call. layer: an id; its output instead.
        Raises ConfigError for a layer that is not there, and for draws where no layer draws.
        """
        if draws is not None and (isinstance(draws, bool) or not isinstance(draws, int) or draws < 1):
            raise ConfigError(f"draws: expected a whole number ≥ 1, got {draws!r}")
        found = self._all(x, non_finite, layer=layer, draws=draws)
        return found[0] if draws is None else (found[0], found[1])

    def forward(self, x: Any, *, non_finite: NonFinite = "warn") -> Array:
        """Returns the last layer's outputs as they are, (n, *shape)."""
        return self._all(x, non_finite, raw=True)[0]

    def _all(self, x: Any, non_finite: NonFinite, **options: Any) -> list[Array]:
        check_choice(non_finite)
        with self._own() as trained:
            predictor = Predictor(trained, **options)
            rows = self._rows(x)
            count = 1 if predictor.draws is None else 2
            arrays = [np.empty((len(rows), *predictor.shape), predictor.dtype) for _ in range(count)]
            for where, found in predictor.blocks(rows):
                for array, block in zip(arrays, found, strict=True):
                    array[where] = block
        _warn(predictor.not_finite, non_finite)
        return arrays

    def evaluate(self, x: Any, y: Any = None, *, non_finite: NonFinite = "warn") -> dict[str, float]:
        """Returns the loss and the run's metrics on these samples, as `dtrain evaluate` does.

        y: (n, …), targets as in training, classes by name or number; None for a loss that needs none.
        """
        check_choice(non_finite)
        not_finite, rows = NotFinite(), self._rows(x)
        targets, schema = targets_of(self._trained, y, "y")
        given = ArrayRows(rows.x, targets)
        with self._own() as trained:
            figures = figures_of(trained, given, "given", not_finite, schema)
        _warn(not_finite, non_finite)
        return figures

    def _rows(self, x: Any) -> ArrayRows:
        return rows_of(self._trained, x, "x")


def _warn(not_finite: NotFinite, non_finite: NonFinite) -> None:
    for message in checked([not_finite], "x", non_finite):
        warnings.warn(message, stacklevel=4)


def _unpickled(held: dict[str, Any]) -> Model:
    set_threads(threads_for("auto", 1))
    return Model(rebuilt(held))


def load_model(folder: Path, checkpoint: str = LAST) -> Model:
    """Returns the model of the run in this folder; warns where its newest checkpoint is damaged."""
    trained = load_trained(SerialCommunicator(), folder, checkpoint)
    for message in trained.warnings:
        warnings.warn(message, stacklevel=3)
    return Model(trained)
