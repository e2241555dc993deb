"""The command: what it trains when asked for nothing, what it costs, how it refuses."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from dtrain import __version__
from dtrain.cli.main import _with_command, main
from dtrain.communicator.environment import launched

CHEAP = {
    "": None,
    "--version": f"dtrain {__version__}\n",
    "--help": None,
    "train --help": None,
    "launch --help": None,
    "doctor --help": None,
    "verify --help": None,
    "evaluate --help": None,
    "predict --help": None,
}


@pytest.mark.parametrize(("command", "output"), CHEAP.items())
def test_what_costs_nothing_imports_neither_numpy_nor_mpi(command, output, tmp_path):
    code = (
        "import sys\n"
        "from dtrain.cli.main import main\n"
        "try:\n    code = main()\nexcept SystemExit as end:\n    code = end.code\n"
        "heavy = {'numpy', 'mpi4py', 'pluggy', 'msgspec', 'tqdm'} & {*sys.modules}\n"
        "assert not code and not heavy, (code, heavy)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-P", "-c", code, *command.split()], cwd=tmp_path, capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == output if output else "usage: dtrain" in ended.stdout


def test_a_launcher_loads_nothing_of_dtrain_but_its_name(tmp_path):
    """Neither the config nor the registry: the ranks load them, and every start counts."""
    code = (
        "import sys\n"
        "from dtrain.cli.main import main\n"
        "assert main() == 0\n"
        "print(*sorted(name for name in sys.modules if name.partition('.')[0] in ('dtrain', 'dtrain_plugins')))\n"
    )
    words = ["launch", "-n", "2", "--dry-run", "--", "train"]
    ended = subprocess.run(
        [sys.executable, "-P", "-c", code, *words], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert ended.stdout.splitlines()[1:] == ["dtrain dtrain.cli dtrain.cli.main"]


def test_importing_dtrain_loads_nothing(tmp_path):
    code = "import sys, dtrain; assert not {'numpy', 'mpi4py', 'pluggy'} & {*sys.modules}"
    subprocess.run([sys.executable, "-P", "-c", code], cwd=tmp_path, check=True)


def test_the_installed_command_is_this_one():
    (command,) = entry_points(group="console_scripts", name="dtrain")
    assert command.load() is main


def test_the_default_recipe_is_the_digits(dtrain):
    ended = dtrain("train")
    assert ended.code == 0
    (folder,) = Path("runs").iterdir()
    summary = json.loads((folder / "summary.json").read_text())
    assert (summary["epochs"], summary["shards"]) == (30, 8)
    assert summary["validation"]["accuracy"] > 0.95
    assert tomllib.loads((folder / "config.toml").read_text())["name"] == "digits"
    lines = ended.err.splitlines()
    assert lines[0] == (
        "digits: 51,210 parameters, 1,438 samples and 359 for validation, 690 steps of 64, on 1 rank (8 shards)"
    )
    assert lines[1].startswith("epoch  1/30  train loss ")
    assert len(lines) == 1 + 30 + 2
    assert re.match(r"done in \d+:\d\d  train loss ", lines[-2])
    assert lines[-1] == f"run in {folder.absolute()}"
    assert ended.out == ""


def test_the_bare_command_shows_the_help_in_a_shell(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    said = []
    for arguments in ([], ["--help"]):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        said.append((ended.value.code, capsys.readouterr()))
    assert said[0] == said[1]
    assert (said[0][0], said[0][1].err) == (0, "")
    assert said[0][1].out.startswith("usage: dtrain ")
    assert os.listdir() == []


STEP = {"SLURM_JOB_ID": "1", "SLURM_STEP_ID": "0", "SLURM_PROCID": "0"}
LAUNCHERS = {
    "mpirun -n 1 of Open MPI": {"OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": "1"},
    "mpirun -n 4 of MPICH": {"PMI_RANK": "3", "PMI_SIZE": "4"},
    "srun -n 2": {**STEP, "SLURM_STEP_NUM_TASKS": "2"},
}


@pytest.mark.parametrize("environ", LAUNCHERS.values(), ids=LAUNCHERS)
def test_the_bare_command_trains_under_a_launcher(environ):
    assert _with_command([], launched(environ)) == ["train"]


def test_an_allocation_without_a_step_is_no_launcher():
    allocation = {"SLURM_JOB_ID": "1", "SLURM_NTASKS": "8"}
    assert _with_command([], launched(allocation)) == ["--help"]


def test_mpirun_dtrain_trains_the_default_recipe(mpirun, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ended = mpirun(1, ["-m", "dtrain"])
    assert ended.code == 0, ended.output
    (folder,) = (tmp_path / "runs").iterdir()
    assert folder.name.startswith("digits-")


def test_options_alone_belong_to_train(dtrain):
    assert dtrain("--set", "train.steps=2", "--out", "out").code == 0
    assert json.loads(Path("out/summary.json").read_text())["steps"] == 2


def test_a_recipe_whose_files_are_not_there_says_how_to_name_them(dtrain):
    ended = dtrain("train", "mnist")
    assert (ended.code, ended.err) == (
        2,
        f"dtrain: {Path.cwd() / 'mnist'}: expected a folder with the files of MNIST, got no such folder; check the "
        "path, or give another: --set data.path=FOLDER\n",
    )


REFUSED = {
    "trian": (
        "argument COMMAND: invalid choice: 'trian' "
        "(choose from 'train', 'launch', 'doctor', 'debug', 'verify', 'plan', 'evaluate', 'predict', 'plugins'); "
        "see `dtrain --help`"
    ),
    "train digits more": "unrecognized arguments: more; see `dtrain --help`",
    "train --out": "argument --out: expected one argument; see `dtrain train --help`",
    "train --set lr": "--set lr: expected KEY=VALUE, such as optimizer.lr=0.01",
    "train --se x=1": "unrecognized arguments: --se; see `dtrain --help`",
    "debug -n 0": (
        "argument -n/--ranks: expected a whole number of at least 1, got '0'; see `dtrain debug --help`"
    ),
    "plugins": "the following arguments are required: ACTION; see `dtrain plugins --help`",
    "plugins lits": (
        "argument ACTION: invalid choice: 'lits' (choose from 'list', 'show', 'check', 'new'); "
        "see `dtrain plugins --help`"
    ),
}


@pytest.mark.parametrize(("command", "message"), REFUSED.items())
def test_wrong_arguments_are_refused_in_one_line(command, message, dtrain):
    ended = dtrain(*command.split())
    assert (ended.code, ended.err, ended.out) == (2, f"dtrain: {message}\n", "")
    assert os.listdir() == []


def test_launch_has_a_parser_of_its_own(dtrain):
    ended = dtrain("launch", "-n", "2", "--dry-run", "--", "train", "digits")
    assert ended.code == 0
    assert f"-n 2 {sys.executable} -P -m dtrain train digits" in ended.out


def test_the_module_is_the_command(tmp_path):
    ended = subprocess.run(
        [sys.executable, "-P", "-m", "dtrain", "--version"], cwd=tmp_path, capture_output=True, text=True
    )
    assert (ended.returncode, ended.stdout) == (0, f"dtrain {__version__}\n")
