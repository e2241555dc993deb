"""`dtrain debug`: an N-rank job in this process."""

from __future__ import annotations

import json
import os
import pdb
import subprocess
import sys
from pathlib import Path

import pytest

from dtrain.trainer import watch

FAST = ["--set", "train.steps=3"]


def test_it_gives_the_weights_of_any_other_run(dtrain):
    assert dtrain("debug", "digits", "-n", "3", *FAST, "--out", "debugged").code == 0
    assert dtrain("train", "digits", *FAST, "--out", "trained").code == 0
    debugged, trained = (
        json.loads(Path(name, "summary.json").read_text()) for name in ("debugged", "trained")
    )
    assert debugged["weights_sha256"] == trained["weights_sha256"]
    assert debugged["ranks"] == 3


def test_it_needs_no_mpi(tmp_path):
    code = (
        "import sys\n"
        "from dtrain.cli.main import main\n"
        "assert main(['debug', 'digits', '-n', '2', '--set', 'train.steps=1', '--out', 'out']) == 0\n"
        "assert 'mpi4py' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-P", "-c", code], cwd=tmp_path, check=True, capture_output=True)


def test_a_mistake_is_one_line(dtrain):
    ended = dtrain("debug", "digits", "-n", "9", "--set", "train.shards=4", "--out", "out")
    assert (ended.code, ended.err) == (
        2,
        "dtrain: [train] shards: expected at least one shard a rank, got 4 shards for 9 ranks; start at most "
        "4 ranks, or raise shards (the result then changes within rounding)\n",
    )
    assert os.listdir() == []


def test_it_is_refused_under_mpirun(dtrain, monkeypatch):
    monkeypatch.setenv("OMPI_COMM_WORLD_RANK", "0")
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "2")
    ended = dtrain("debug", "digits")
    assert (ended.code, ended.err) == (
        2,
        "dtrain: debug: expected one process, which holds all ranks, got mpirun; leave it out\n",
    )


FAILING = [
    "debug",
    "digits",
    "-n",
    "2",
    "--set",
    "optimizer.lr=1e38",
    "--set",
    "optimizer.name='sgd'",
    "--out",
]


def test_without_a_terminal_the_layer_is_named(dtrain):
    ended = dtrain(*FAILING, "out")
    assert ended.code == 1
    assert ended.err.splitlines()[-1].startswith("dtrain: layer '")
    assert "is not finite at" in ended.err.splitlines()[-1]


@pytest.mark.parametrize("terminal", [True, False])
def test_with_a_terminal_pdb_starts_where_it_happened(terminal, dtrain, monkeypatch):
    seen = []
    monkeypatch.setattr("sys.stdin.isatty", lambda: terminal, raising=False)
    monkeypatch.setattr(pdb, "post_mortem", seen.append)
    ended = dtrain(*FAILING, "out")
    assert ended.code == 1
    assert len(seen) == terminal
    if terminal:
        traceback = seen[0]
        while traceback.tb_next is not None:
            traceback = traceback.tb_next
        assert traceback.tb_frame.f_code.co_filename == watch.__file__
        assert "Traceback" in ended.err
