"""The plugin acme, installed from its folder and used in one run on two processes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.numpy import load_file

ACME = Path(__file__).parent / "acme"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Installs acme into a folder of its own; returns the environment in which it is found."""
    target = tmp_path_factory.mktemp("site")
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", target, ACME]
    done = subprocess.run([str(part) for part in install], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return os.environ | {"PYTHONPATH": str(target)}


def _dtrain(environ: dict[str, str], folder: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "dtrain", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environ, cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_kind_of_part_is_listed_with_its_distribution(
    installed: dict[str, str], tmp_path: Path
) -> None:
    rows = json.loads(_dtrain(installed, tmp_path, "plugins", "list", "--json"))
    acme = [row for row in rows if row["plugin"] == "acme"]
    assert {row["kind"] for row in acme} == {row["kind"] for row in rows} | {"transforms"}
    assert {(row["distribution"], row["version"]) for row in acme} == {("acme-dtrain", "1.2")}
    assert {row["name"]: row["replaces"] for row in acme if row["replaces"]} == {"adam": "dtrain-optimizers"}


def test_the_list_for_people_shows_what_it_replaces(installed: dict[str, str], tmp_path: Path) -> None:
    lines = _dtrain(installed, tmp_path, "plugins", "list").splitlines()
    assert lines[0].split() == ["KIND", "NAME", "PLUGIN", "DISTRIBUTION", "VERSION", "REPLACES"]
    (adam,) = [line.split() for line in lines if line.startswith("optimizers") and " adam " in line]
    assert adam == ["optimizers", "adam", "acme", "acme-dtrain", "1.2", "dtrain-optimizers"]
    assert max(map(len, lines)) <= 100


BLOCKED = """
[data]
name = "digits"

[[network]]
name = "dense"
units = 10

[loss]
name = "softmax_cross_entropy"

[optimizer]
name = "adam"

[train]
steps = 3
"""


@pytest.mark.parametrize(
    ("plugins", "provider", "slots"),
    [
        ("", "acme", {"m", "v", "u"}),
        ('[plugins]\nblock = ["acme"]', "dtrain-optimizers", {"m", "v"}),
        ('[plugins]\nprefer = { "optimizers.adam" = "dtrain-optimizers" }', "dtrain-optimizers", {"m", "v"}),
    ],
)
def test_a_config_gets_the_built_in_adam_back(
    installed: dict[str, str], tmp_path: Path, plugins: str, provider: str, slots: set[str]
) -> None:
    (tmp_path / "config.toml").write_text(f"{plugins}\n{BLOCKED}")
    _dtrain(installed, tmp_path, "train", "config.toml", "--out", "run")
    rows = json.loads((tmp_path / "run" / "plugins.json").read_text())
    assert [row["plugin"] for row in rows if row["name"] == "adam"] == [provider]
    assert ("acme" in {row["plugin"] for row in rows}) == ("block" not in plugins)
    (last,) = (tmp_path / "run" / "checkpoints").glob("step-*")
    assert {name.split("/")[1] for name in load_file(last) if name.startswith("slot/")} == slots


def test_all_of_it_passes_the_checks(installed: dict[str, str], tmp_path: Path) -> None:
    said = _dtrain(installed, tmp_path, "plugins", "check", "acme").splitlines()
    assert len([line for line in said if re.match(r"\w+\.\w+ +\d+ +- +- ", line)]) >= 13
    assert ", 0 failed" in said[-1]


def test_a_run_on_two_ranks_uses_all_of_them(installed: dict[str, str], tmp_path: Path) -> None:
    config = str(ACME / "config.toml")
    _dtrain(installed, tmp_path, "launch", "-n", "2", "--", "train", config, "--out", "two")
    assert json.loads((tmp_path / "two" / "summary.json").read_text())["ranks"] == 2
    plugins = json.loads((tmp_path / "two" / "plugins.json").read_text())
    assert len([row for row in plugins if row["plugin"] == "acme"]) >= 11
    first, *_, last = (
        json.loads(line)["train"]["loss"]
        for line in (tmp_path / "two" / "metrics.jsonl").read_text().splitlines()
    )
    assert last < first


def test_all_but_its_exchange_give_the_same_weights_on_one_and_two_ranks(
    installed: dict[str, str], tmp_path: Path
) -> None:
    words = ["train", str(ACME / "config.toml"), "--set", "train.exchange=exact", "--out"]
    _dtrain(installed, tmp_path, "launch", "-n", "2", "--", *words, "two")
    _dtrain(installed, tmp_path, *words, "one")
    two, one = (json.loads((tmp_path / name / "summary.json").read_text()) for name in ("two", "one"))
    assert (two["ranks"], two["weights_sha256"]) == (2, one["weights_sha256"])
