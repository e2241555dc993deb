"""The promise of the project, on real MPI processes: the number of ranks does not change a bit."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tomli_w

from tests.many_parts import CONFIG as MANY_PARTS
from tests.many_parts import write_images

CONFIG = """
[data]
name = "npz"
path = "{path}"
validation = 0.2

[[network]]
name = "dense"
units = 33
bias = false

[[network]]
name = "batch_norm"

[[network]]
name = "relu"

[[network]]
name = "dropout"
rate = 0.2

[[network]]
name = "dense"
units = 5

[loss]
name = "softmax_cross_entropy"

[optimizer]
name = "adam"
lr = 0.01

[train]
epochs = 3
batch_size = 64
metrics = ["accuracy"]
"""

Run = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Trains on N processes and returns the summary; each job once."""
    folder = tmp_path_factory.mktemp("same-bits")
    rng = np.random.default_rng(0)
    x = rng.standard_normal((997, 20)).astype(np.float32)  # a prime number of rows
    np.savez(folder / "data.npz", x=x, y=x[:, :5].argmax(axis=1))
    (folder / "config.toml").write_text(CONFIG.format(path=folder / "data.npz"))
    done: dict[tuple[Any, ...], dict[str, Any]] = {}

    def train(ranks: int, *changes: str) -> dict[str, Any]:
        if (ranks, *changes) not in done:
            out = folder / f"run-{len(done)}"
            done[ranks, *changes] = _train(ranks, folder / "config.toml", out, changes)
        return done[ranks, *changes]

    return train


def _train(ranks: int, config: Path, out: Path, changes: tuple[str, ...]) -> dict[str, Any]:
    sets = [argument for change in changes for argument in ("--set", change)]
    command = [sys.executable, "-m", "dtrain", "launch", "-n", str(ranks), "--", "train"]
    command += [str(config), "--out", str(out), *sets]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=out.parent)
    assert done.returncode == 0, done.stdout + done.stderr
    summary: dict[str, Any] = json.loads((out / "summary.json").read_text())
    assert summary["ranks"] == ranks
    return summary


@pytest.mark.parametrize("ranks", [2, 3, 5, 8])
def test_weights_and_validation_are_the_same_to_the_bit_by_default(run: Run, ranks: int) -> None:
    one, many = run(1), run(ranks)
    assert many["weights_sha256"] == one["weights_sha256"]
    assert many["validation"] == one["validation"]
    assert many["train"] == one["train"]
    assert many["shards"] == one["shards"] == 8


def test_they_are_the_same_where_ranks_share_no_memory(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    shared = run(3)
    monkeypatch.setenv("DTRAIN_SHARED_MEMORY", "0")
    assert run(3, "name='private'")["weights_sha256"] == shared["weights_sha256"]


def test_another_seed_gives_other_weights(run: Run) -> None:
    assert run(2, "seed=1")["weights_sha256"] != run(2)["weights_sha256"]


def test_one_shard_a_rank_gives_the_same_within_rounding_only(run: Run) -> None:
    """The negative control: without shards the bits do depend on the number of ranks."""
    two, three = run(2, "train.shards='ranks'"), run(3, "train.shards='ranks'")
    assert two["weights_sha256"] != three["weights_sha256"]
    assert two["validation"]["loss"] == pytest.approx(three["validation"]["loss"], rel=1e-3)


@pytest.fixture(scope="module")
def run_many(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Trains a net of many different parts on N processes and returns the summary; each job once."""
    folder = tmp_path_factory.mktemp("many-parts")
    write_images(folder / "images.npz")
    (folder / "config.toml").write_text(tomli_w.dumps(MANY_PARTS))
    done: dict[tuple[Any, ...], dict[str, Any]] = {}

    def train(ranks: int, *changes: str) -> dict[str, Any]:
        if (ranks, *changes) not in done:
            out = folder / f"run-{len(done)}"
            done[ranks, *changes] = _train(ranks, folder / "config.toml", out, changes)
        return done[ranks, *changes]

    return train


@pytest.mark.parametrize("ranks", [2, 3])
def test_many_parts_at_once_end_in_the_same_bits(run_many: Run, ranks: int) -> None:
    one, many = run_many(1), run_many(ranks)
    for figure in ("weights_sha256", "train", "validation", "steps", "shards"):
        assert many[figure] == one[figure]


def test_many_parts_end_in_other_bits_with_one_shard_a_rank(run_many: Run) -> None:
    assert run_many(3, "train.shards='ranks'")["weights_sha256"] != run_many(3)["weights_sha256"]
