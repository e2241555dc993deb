"""Pictures, drawn by matplotlib: imported late, and only by the one process that draws."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dtrain.errors import ConfigError

SIZE = (7.0, 4.4)
"""Of a picture, in inches."""


def can_plot() -> bool:
    """Tells whether matplotlib is installed; does not import it."""
    return importlib.util.find_spec("matplotlib") is not None


def check_plotting(who: str) -> None:
    """Raises ConfigError, one line, where matplotlib is not installed. who: the part that wants to draw."""
    if not can_plot():
        raise ConfigError(
            f'{who} draws with matplotlib, which is not installed; pip install "dtrain[plot]", or leave {who} out'
        )


@contextmanager
def drawing(path: Path, title: str, x: str, y: str) -> Iterator[Any]:
    """Gives matplotlib's axes to draw on, with a title and labels; writes `path`, a PNG, at the end.

    The picture has a legend where something on it has a label. It is there whole or not at all.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=SIZE, dpi=144, layout="constrained")  # without pyplot: no window, no global state
    axes = figure.subplots()
    axes.set(title=title, xlabel=x, ylabel=y)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    yield axes
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False)
    aside = path.with_name(f".{path.name}.tmp")
    figure.savefig(aside, format="png")
    aside.replace(path)
