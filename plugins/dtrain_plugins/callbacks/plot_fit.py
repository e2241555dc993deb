from __future__ import annotations

import numpy as np

from dtrain import Array, Callback, ConfigError, Run, check_plotting, drawing

_POINTS = 2000  # more than a picture of this size can show apart
_GRID = 801


class PlotFit(Callback):
    """Draws a net of one input, y = f(x), over the data it was trained on: `fit.png` in the run folder, at the end.

    The curve is what the net gives for 801 values of x from the least to the greatest of the training samples
    (for a loss that turns outputs into probabilities, those); the dots are training samples, at most 2000.
    A net of several outputs has a curve each. Needs matplotlib: pip install "dtrain[plot]".

    title: of the picture; empty: the error of the run.

    Raises ConfigError at the start when a sample has another shape than (1,), when there are no targets, and
    when matplotlib is not installed.
    """

    examples = [{}, {"title": "a fit"}]

    def __init__(self, title: str = "") -> None:
        self.title = title

    def start(self, run: Run) -> None:
        if run.samples.shape != (1,):
            raise ConfigError(
                f"plot_fit draws nets of one input, samples of shape (1,), got {run.samples.shape}; leave it out"
            )
        if run.samples.rows(np.zeros(1, np.int64))[1] is None:
            raise ConfigError("plot_fit draws the targets of the training samples, got none; leave it out")
        if run.writes_to is not None:
            check_plotting("plot_fit")

    def end(self, run: Run) -> None:
        x, y = _some(run)
        grid = np.linspace(x.min(), x.max(), _GRID)[:, None]
        curve = run.predict(grid).reshape(_GRID, -1)
        if run.writes_to is None:
            return
        with drawing(run.writes_to / "fit.png", self.title or _figures(run), "x", "y") as axes:
            axes.plot(x, y, ".", color="0.6", markersize=5, label=_labels("data", y))
            axes.plot(grid, curve, linewidth=2, label=_labels("the net", curve))


def _some(run: Run) -> tuple[Array, Array]:
    """Returns (x, y) of training samples evenly taken, each with its values in columns."""
    count = min(len(run.samples), _POINTS)
    chosen = np.linspace(0, len(run.samples) - 1, count).astype(np.int64)
    x, y = run.samples.rows(chosen)
    assert y is not None, "targets were there at the start"
    return x.reshape(count, -1), y.reshape(count, -1)


def _labels(name: str, columns: Array) -> list[str]:
    many = columns.shape[1]
    return [name] if many == 1 else [f"{name}, y[{i}]" for i in range(many)]


def _figures(run: Run) -> str:
    held_out = "" if run.validation is None else f", validation loss {run.validation['loss']:.3g}"
    train = f"training loss {run.train['loss']:.3g}" if run.train else "not trained"
    return f"After {run.step:,} steps: {train}{held_out}"
