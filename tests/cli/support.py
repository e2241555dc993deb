"""Runs commands of dtrain in this process, with plugins that a test installs beside dtrain's own."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from dtrain.cli.main import main
from tests.registry.support import Site

CONFIG = """
[data]
name = "npz"
path = "{path}"

[[network]]
name = "dense"
units = 3

[[network]]
name = "tanh"

[loss]
name = "softmax_cross_entropy"

[optimizer]
name = "adam"

[train]
epochs = 2
batch_size = 20
"""


class Said(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


class Place:
    """An empty working directory with a config of 60 rows, and a folder of plugins."""

    def __init__(self, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
        self.folder, self._capfd = folder, capfd
        self.site = Site(folder / "site")
        x = np.random.default_rng(0).standard_normal((60, 4)).astype(np.float32)
        np.savez(folder / "data.npz", x=x, y=x[:, :3].argmax(axis=1))
        self.config = folder / "config.toml"
        self.config.write_text(CONFIG.format(path=folder / "data.npz"))

    def dtrain(self, *arguments: str) -> Said:
        self._capfd.readouterr()
        try:
            code = main(arguments)
        except SystemExit as left:
            code = int(left.code or 0)
        return Said(code, *self._capfd.readouterr())

    def train(self, *arguments: str, out: str = "run") -> Said:
        return self.dtrain("train", str(self.config), "--out", out, *arguments)
