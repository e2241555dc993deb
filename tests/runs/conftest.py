"""Runs on made-up data: three classes of points, a net of a few units, a second at most."""

from __future__ import annotations

import copy
import importlib
import os
import sys
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import tomli_w

from dtrain.cli.main import main
from dtrain.communicator import run_ranks
from dtrain.config import load
from dtrain.config.overrides import override
from dtrain.threads import VARIABLES
from dtrain.trainer import Result, train_session

BASE: dict[str, Any] = {
    "data": {"name": "npz", "path": "points.npz", "validation": 0.25},
    "network": [
        {"name": "dense", "units": 5, "activation": "tanh"},
        {"name": "dense", "units": 3},
    ],
    "loss": {"name": "softmax_cross_entropy"},
    "optimizer": {"name": "adam", "lr": 0.05},
    "train": {"epochs": 3, "batch_size": 16, "metrics": ["accuracy"]},
}
"""60 samples to train on: 4 global batches an epoch, the last of 12."""


class Ended(NamedTuple):
    """A command that has ended."""

    code: int
    out: str
    err: str


def points(count: int = 80) -> tuple[np.ndarray, np.ndarray]:
    """Three clouds: x (count, 4), y (count,) from 0 to 2."""
    random = np.random.Generator(np.random.PCG64(5))
    y = np.arange(count) % 3
    return random.standard_normal((count, 4)) + np.eye(3, 4)[y], y


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test works in a folder of its own, which is not the repository; the data lie there."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("dtrain.threads._set_variables", {})
    for name in VARIABLES:
        monkeypatch.setenv(name, "1")
    monkeypatch.delenv("DTRAIN_PROGRESS", raising=False)
    x, y = points()
    np.savez(tmp_path / "points.npz", x=x, y=y)
    return tmp_path


@pytest.fixture
def config() -> Callable[..., dict[str, Any]]:
    """config({"train.epochs": 1, …}) → the tables of a small run, changed."""

    def changed(changes: Mapping[str, Any] | None = None) -> dict[str, Any]:
        tables = copy.deepcopy(BASE)
        override(tables, changes or {})
        return tables

    return changed


@pytest.fixture
def write(elsewhere: Path, config: Callable[..., dict[str, Any]]) -> Callable[..., str]:
    """write({"train.epochs": 1, …}) → the path of run.toml, which holds these tables."""

    def written(changes: Mapping[str, Any] | None = None) -> str:
        (elsewhere / "run.toml").write_text(tomli_w.dumps(config(changes)), encoding="utf-8")
        return "run.toml"

    return written


@pytest.fixture
def dtrain(capfd: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """dtrain("train", "run.toml", …) in this process → exit code, stdout, stderr."""

    def run(*arguments: object) -> Ended:
        capfd.readouterr()
        code = main([str(argument) for argument in arguments])
        return Ended(code, *capfd.readouterr())

    return run


@pytest.fixture
def on_ranks() -> Callable[..., list[Result]]:
    """on_ranks(2, tables, out, resume=…) trains on ranks that are threads."""

    def run(ranks: int, tables: Mapping[str, Any] | str, out: Path, **options: Any) -> list[Result]:
        prepared = options.pop("prepared", None)
        return run_ranks(
            ranks,
            lambda communicator: train_session(
                lambda: load(tables), communicator, out, prepared=prepared, **options
            ),
        )

    return run


@pytest.fixture
def sha(on_ranks: Callable[..., list[Result]], elsewhere: Path) -> Callable[..., str]:
    """sha(tables) → the weights of an undisturbed run on one rank."""

    def of(tables: Mapping[str, Any], ranks: int = 1) -> str:
        out = elsewhere / f"undisturbed-{len(os.listdir(elsewhere))}"
        return on_ranks(ranks, tables, out)[0].summary["weights_sha256"]

    return of


@pytest.fixture
def acme(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """acme(code) installs a plugin `acme` 1.2 for this test; returns the folder for PYTHONPATH."""
    folder = elsewhere / "site"

    def install(code: str) -> str:
        info = folder / "acme_dtrain-1.2.dist-info"
        info.mkdir(parents=True)
        (folder / "acme.py").write_text(textwrap.dedent(code), encoding="utf-8")
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-dtrain\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text("[dtrain]\nacme = acme\n")
        monkeypatch.delitem(sys.modules, "acme", raising=False)  # another one, of an example
        monkeypatch.syspath_prepend(folder)
        importlib.invalidate_caches()
        return str(folder)

    yield install
    sys.modules.pop("acme", None)
