"""plugins/README.md is what people copy from: every block of it is run, and no hook is without one."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import dtrain
from dtrain.cli.arguments import parser
from dtrain.contracts import KINDS
from dtrain.registry import Registry
from dtrain.testing import run
from tests.mpirun import python_path
from tests.registry.support import Site

README = Path(__file__).parents[2] / "plugins" / "README.md"
TEXT = README.read_text("utf-8")
INTRODUCTION, *SECTIONS = re.split(r"^### `dtrain_(\w+)`$", TEXT, flags=re.MULTILINE)
HOOKS = dict(zip(SECTIONS[::2], SECTIONS[1::2], strict=True))


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


EXAMPLES = [
    pytest.param(kind, code, config, id=f"{kind}-{number}")
    for kind, text in HOOKS.items()
    for number, (code, config) in enumerate(zip(blocks(text, "python"), blocks(text, "toml"), strict=True), 1)
]
every_example = pytest.mark.parametrize(("kind", "code", "config"), EXAMPLES)

# ---------------------------------------------------------------------- the reference


def test_every_hook_has_a_section_and_a_row_and_nothing_else_has():
    assert list(HOOKS) == re.findall(r"^\| \[`dtrain_(\w+)`\]\(#dtrain_\1\) \|", TEXT, re.MULTILINE)
    assert set(HOOKS) == set(KINDS)


def test_every_section_has_an_example_and_every_example_its_config():
    assert {parameters.values[0] for parameters in EXAMPLES} == set(KINDS)


@every_example
def test_an_example_is_a_whole_plugin_that_passes_the_checks(kind, code, config):
    plugin = ModuleType("acme")
    exec(code, vars(plugin))
    registry = Registry.load(extra=[("acme", plugin)])
    offered = [(entry.kind, entry.name) for entry in registry.table() if entry.plugin == "acme"]
    assert [found for found, _ in offered] == [kind]
    outcomes = list(run(offered, registry=registry))
    assert [outcome for outcome in outcomes if outcome.status not in ("passed", "advice")] == []
    assert len(outcomes) >= 5


REAL = ("losses", "metrics")  # their examples take numbers as targets; all others, classes


def trains_with(kind: str, snippet: str, folder: Path) -> dict:
    """A small config with the tables of a snippet in it."""
    random = np.random.default_rng(0)
    x = random.standard_normal((60, 6)).astype(np.float32)
    np.savez(folder / "data.npz", x=x, y=x[:, :3] ** 2 if kind in REAL else x[:, :3].argmax(axis=1))
    given = tomllib.loads(snippet)
    tables = {
        "data": {"name": "npz", "path": str(folder / "data.npz")} | given.pop("data", {}),
        "network": [*given.pop("network", []), {"name": "dense", "units": 3}],
        "loss": {"name": "mse" if kind in REAL else "softmax_cross_entropy"},
        "optimizer": {"name": "adam"},
        "train": {"epochs": 2, "batch_size": 20} | given.pop("train", {}),
    }
    if tables["data"]["name"] != "npz":
        del tables["data"]["path"]
    return tables | given


@every_example
def test_an_example_trains_with_its_config(kind, code, config, tmp_path, monkeypatch):
    site = Site(tmp_path / "site")
    site.install("acme-dtrain", "1.0", {"acme": "acme_of_readme"}, acme_of_readme=code)
    monkeypatch.setattr(sys, "path", [str(site.folder), *sys.path])
    try:
        result = dtrain.train(trains_with(kind, config, tmp_path), out=tmp_path / "run")
    finally:
        sys.modules.pop("acme_of_readme", None)
    assert np.isfinite(result.train["loss"])
    (entry,) = [
        row for row in json.loads((tmp_path / "run" / "plugins.json").read_text()) if row["plugin"] == "acme"
    ]
    assert f'"{entry["name"]}"' in (tmp_path / "run" / "config.toml").read_text()
    if kind == "metrics":
        assert result.train[entry["name"]] == pytest.approx(result.train["loss"] ** 0.5, rel=1e-5)


# ---------------------------------------------------------------------- ten minutes


def named_files() -> dict[str, str]:
    """The blocks that begin with their file's name."""
    found = [*blocks(INTRODUCTION, "toml"), *blocks(INTRODUCTION, "python")]
    named = (re.match(r"# (\w+\.\w+)\n", text) for text in found)
    return {match[1]: text for match, text in zip(named, found, strict=True) if match}


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> tuple[Path, dict[str, str]]:
    """An empty folder, and in it nothing but the files of the README; installed."""
    folder = tmp_path_factory.mktemp("ten-minutes")
    for name, text in named_files().items():
        (folder / name).write_text(text, "utf-8")
    site = tmp_path_factory.mktemp("site")
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", site, folder]
    done = subprocess.run([str(word) for word in install], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder, os.environ | {"PYTHONPATH": os.pathsep.join([str(site), python_path()])}


def said(project, *command: str) -> str:
    folder, environ = project
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=folder, env=environ, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_ten_minutes_are_three_files_and_a_test():
    assert set(named_files()) == {"pyproject.toml", "acme.py", "config.toml", "test_acme.py"}


def test_their_plugin_is_shown_and_passes_the_checks(project):
    assert said(project, "dtrain", "plugins", "show", "layers.scale").endswith(
        "acme-dtrain 1.0\nreplaces      -\n"
    )
    assert ", 0 failed" in said(project, "dtrain", "plugins", "check", "acme")
    assert " passed" in said(project, "pytest", "-q", "-p", "no:cacheprovider", "test_acme.py")


def test_their_run_on_two_ranks_ends_with_the_weights_of_one(project):
    said(project, "dtrain", "train", "config.toml", "--out", "one")
    said(project, "dtrain", "launch", "-n", "2", "--", "train", "config.toml", "--out", "two")
    one, two = (json.loads((project[0] / name / "summary.json").read_text()) for name in ("one", "two"))
    assert (one["ranks"], two["ranks"]) == (1, 2)
    assert one["weights_sha256"] == two["weights_sha256"]
    assert one["validation"]["accuracy"] > 0.8


# ---------------------------------------------------------------------- the rest of the page


def test_every_command_is_one_that_dtrain_takes():
    lines = "\n".join(blocks(TEXT, "sh")).splitlines()
    commands = [line.split("dtrain ", 1)[1] for line in lines if "dtrain " in line]
    commands += [text.split("dtrain ", 1)[1] for text in re.findall(r"`dtrain [^`]+`", TEXT)]
    assert len(commands) >= 6
    for command in commands:
        parser().parse_args(command.rstrip("`").split())


def test_every_link_leads_somewhere():
    for target in re.findall(r"\]\(([^)]+)\)", TEXT):
        if target.startswith("#"):
            words = re.findall(r"^#+ (.*)$", TEXT, re.MULTILINE)
            assert target[1:] in [word.strip("`").lower().replace(" ", "-") for word in words]
        else:
            assert (README.parent / target).exists(), target


def test_every_door_of_the_table_is_one_of_the_context():
    doors = re.findall(r"`(?:context)?\.(\w+)", TEXT.split("| door |")[1].split("\n\n")[0])
    assert len(doors) >= 14
    context = vars(dtrain.Context)
    given = {name for name in doors if name not in context}
    assert given <= {"training", "sampling", "step", "epoch", "empty"}  # set by the engine, not methods
    assert {"sum", "max", "moments", "gradient", "gradient_total", "matmul"} <= set(doors)
