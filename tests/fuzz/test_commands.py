"""Configs that are wrong somewhere, as commands on two real ranks: one of them speaks, in one line, and none waits."""

from __future__ import annotations

import shutil
from pathlib import Path
from time import monotonic

import tomli_w
from hypothesis import given, settings

from dtrain.cli.main import main
from tests.fuzz.configs import mutated
from tests.fuzz.support import LONG, examples

COMMANDS = 100 if LONG else 3
SECONDS = 60  # for one command, on a busy machine


def refused(capfd) -> list[dict]:
    """Returns configs that one process refuses."""
    found: list[dict] = []

    @settings(examples(60), max_examples=10 * COMMANDS)
    @given(mutated())
    def look(tables):
        if len(found) == COMMANDS:
            return
        Path("run.toml").write_text(tomli_w.dumps(tables), encoding="utf-8")
        if main(["train", "run.toml", "--out", "out", "--overwrite"]) == 2 and tables not in found:
            found.append(tables)
        shutil.rmtree("out", ignore_errors=True)

    look()
    capfd.readouterr()
    return found


def test_a_mistake_is_told_once_by_ranks_that_are_processes(mpirun, capfd):
    times = []
    for tables in refused(capfd):
        Path("run.toml").write_text(tomli_w.dumps(tables), encoding="utf-8")
        began = monotonic()
        ended = mpirun(2, ["-P", "-m", "dtrain", "train", "run.toml", "--out", "out"], timeout=SECONDS)
        times.append(monotonic() - began)
        lines = [line for line in ended.output.splitlines() if line.strip()]
        told = [line for line in lines if line.startswith("dtrain: ")]
        assert (ended.code, len(told)) == (2, 1), (tables, ended.output)
        assert "Traceback" not in ended.output
        assert not Path("out").exists()
    assert len(times) == COMMANDS
    if LONG:
        print(
            f"{len(times)} commands, seconds: {sorted(times)[len(times) // 2]:.1f} median, {max(times):.1f} most"
        )
