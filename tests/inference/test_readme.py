"""The README's section on using a run is run as it stands."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np

from dtrain.cli.arguments import parser

TEXT = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
BLOCKS = dict(re.findall(r"^<!-- use -->\n```(\w+)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL))


def test_the_commands_and_the_code_do_what_they_say(dtrain, elsewhere):
    np.save("X.npy", np.random.default_rng(0).random((11, 64)))
    for line in BLOCKS["sh"].splitlines():
        words = shlex.split(line)[1:] + ["--set", "train.epochs=1"] * (line.split()[1] == "train")
        ended = dtrain(*words)
        assert ended.code == 0, ended.err
    said = {}
    exec(BLOCKS["python"], said)
    np.testing.assert_array_equal(np.load("Y.npy"), said["probabilities"])
    np.testing.assert_array_equal(np.load("mean.npy"), said["mean"])
    np.testing.assert_array_equal(np.load("spread.npy"), said["spread"])
    np.testing.assert_array_equal(np.load("code.npy"), said["code"])
    assert np.load("held-out.npy").shape == (359, 10)
    assert said["figures"]["accuracy"] == 1.0
    assert said["outputs"].shape == (11, 10)
    assert len(said["weights"]) == 64


def test_every_command_of_the_page_is_one_that_dtrain_takes():
    commands = re.findall(r"^\| `dtrain ((?:evaluate|predict) [^`]*)`", TEXT, re.MULTILINE)
    assert len(commands) == 2
    for command in commands:
        parser().parse_args(command.replace("[", "").replace("]", "").split())
