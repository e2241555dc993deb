"""dtrain from Python: results, errors as exceptions, ranks that it starts itself."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from pathlib import Path

import pytest

import dtrain as package
from dtrain.config import load
from dtrain.errors import CheckpointError, ConfigError, DataError, NonFiniteError, PluginError, RunError
from dtrain.trainer import spawn

train = package.train


def test_a_dict_trains_and_the_result_tells_where(config, elsewhere):
    result = train(config(), set={"optimizer.lr": 0.1, "train.epochs": 1}, out="out")
    assert result.folder == elsewhere / "out"
    assert result.summary == json.loads((elsewhere / "out" / "summary.json").read_text())
    assert (result.code, result.validation, result.train) == (
        0,
        result.summary["validation"],
        result.summary["train"],
    )
    assert load(elsewhere / "out" / "config.toml").optimizer.options["lr"] == 0.1


def test_a_recipe_trains_into_a_folder_of_its_name(elsewhere):
    result = train("digits", set={"train.steps": 2, "optimizer.lr": 0.01})
    assert result.folder.parent == elsewhere / "runs"
    assert result.folder.name.startswith("digits-")
    assert result.summary["steps"] == 2


def test_a_run_is_resumed_and_replaced(config, sha):
    train(config({"train.steps": 5}), out="out")
    assert train(config({"train.steps": 9}), out="out", resume=True).summary["weights_sha256"] == sha(
        config({"train.steps": 9})
    )
    assert train(config({"train.steps": 2}), out="out", overwrite=True).summary["steps"] == 2


MISTAKES = {
    "config": (ConfigError, {"train.epoch": 1}, {}),
    "data": (DataError, {"data.path": "none.npz"}, {}),
    "plugin": (ConfigError, {"optimizer.name": "adamm"}, {}),
    "prefer": (ConfigError, {"plugins.prefer": {"optimizers.adam": "acme"}}, {}),
    "folder": (ConfigError, {}, {"out": "points.npz"}),
    "both": (ConfigError, {}, {"out": "out", "resume": True, "overwrite": True}),
    "no out": (ConfigError, {}, {"resume": True}),
    "nothing there": (ConfigError, {}, {"out": "none", "resume": True}),
    "ranks": (ConfigError, {}, {"ranks": 0}),
    "ranks, no number": (ConfigError, {}, {"ranks": True}),
}


@pytest.mark.parametrize(("error", "changes", "arguments"), MISTAKES.values(), ids=MISTAKES)
def test_mistakes_are_exceptions(error, changes, arguments, config):
    before = {*os.listdir()}
    with pytest.raises(error) as raised:
        train(config(changes), **arguments)
    assert type(raised.value) is error
    assert "\n" not in str(raised.value)
    assert {*os.listdir()} == before


MESSAGES = {
    "ranks: expected a whole number ≥ 1, got 0": {"ranks": 0},
    "resume, overwrite: expected one of them, got both": {"resume": True, "overwrite": True, "out": "x"},
    "resume: expected out, the folder of the run to go on with, got none": {"resume": True},
}


@pytest.mark.parametrize(("message", "arguments"), MESSAGES.items())
def test_arguments_that_make_no_sense(message, arguments, config):
    with pytest.raises(ConfigError) as raised:
        train(config(), **arguments)
    assert str(raised.value) == message


def test_an_exception_of_a_part_comes_through(config, acme):
    acme("""
        from dtrain import Callback, hookimpl
        class Bad(Callback):
            def after_step(self, run): raise LookupError("not found")
        @hookimpl
        def dtrain_callbacks(): return {"bad": Bad}
    """)
    with pytest.raises(LookupError, match="not found") as raised:
        train(config({"callback": ["bad"]}), out="out")
    assert raised.value.__notes__ == [
        "in after_step of the callback 'bad' from plugin 'acme' 1.2 (distribution acme-dtrain)"
    ]


# ---------------------------------------------------------------------- ranks of its own


def test_ranks_of_its_own_give_the_same_weights(config, sha, capfd, elsewhere):
    result = train(config({"data.path": Path("points.npz")}), set={"train.epochs": 2}, out="out", ranks=2)
    assert result.folder == elsewhere / "out"
    assert (result.code, result.summary["ranks"]) == (0, 2)
    assert result.summary["weights_sha256"] == sha(config({"train.epochs": 2}))
    shown = capfd.readouterr().err
    assert "epoch 2/2  train loss" in shown  # it passes through
    assert load(result.folder / "config.toml").name == "run"
    assert train(config(), out="out", resume=True, ranks=2).summary["weights_sha256"] == sha(config())


def test_the_name_of_the_folder_is_the_configs(write, elsewhere):
    result = train(write({"train.epochs": 1}), ranks=2)
    assert result.folder.parent == elsewhere / "runs"
    assert result.folder.name.startswith("run-")
    assert result.summary["epochs"] == 1


def test_a_mistake_that_the_ranks_find_is_the_same_exception(write, config):
    path = write({"loss.name": "mse"})
    for ranks in (None, 2):
        with pytest.raises(DataError) as raised:
            train(path, out="out", ranks=ranks)
        assert str(raised.value) == (
            "run.toml: [data], training samples: [loss] mse: expected numbers for a network that gives (3,) a sample, "
            "but the target has shape (), not (3,); losses that take it: 'cross_entropy', 'softmax_cross_entropy'"
        )
    with pytest.raises(DataError) as raised:
        train(config({"loss.name": "mse"}), out="out", ranks=2)
    assert str(raised.value).startswith("[data], training samples: ")


def test_mistakes_are_found_without_starting_anything(config, monkeypatch):
    monkeypatch.setattr(subprocess, "Popen", lambda *arguments, **options: pytest.fail("started"))
    with pytest.raises(ConfigError, match="unknown key 'epoch'"):
        train(config({"train.epoch": 1}), ranks=2)


def test_a_failure_of_the_ranks_is_a_run_error_with_their_message(config, acme, monkeypatch):
    site = acme("""
        import os
        from dtrain import Callback, hookimpl
        class Bad(Callback):
            def after_step(self, run):
                if os.environ["OMPI_COMM_WORLD_RANK"] == "1":
                    raise LookupError("not found")
        @hookimpl
        def dtrain_callbacks(): return {"bad": Bad}
    """)
    root = Path(__file__).parents[2]
    sources = [str(root / folder) for folder in (".", "plugins", "launch")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([site, *sources]))
    with pytest.raises(RunError) as raised:
        train(config({"callback": ["bad"]}), out="out", ranks=2)
    assert str(raised.value) == (
        f"rank 1 of 2 on {os.uname().nodename} (epoch 1, step 2): LookupError: not found (in after_step of the "
        "callback 'bad' from plugin 'acme' 1.2 (distribution acme-dtrain)); the traceback is above"
    )


def test_under_a_launcher_there_are_no_ranks_to_start(config, monkeypatch):
    monkeypatch.setenv("OMPI_COMM_WORLD_RANK", "1")
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "4")
    with pytest.raises(ConfigError) as raised:
        train(config(), ranks=2)
    assert str(raised.value) == (
        "ranks: expected none in a process that Open MPI started, which is rank 1 of 4 already; leave ranks out"
    )


def test_ctrl_c_makes_the_ranks_save_and_returns(config, monkeypatch, capfd):
    """In a notebook only this process gets the signal."""
    show = spawn._pass_on

    def interrupted(stream):
        monkeypatch.setattr(spawn, "_pass_on", show)
        line = b""
        while not line.startswith(b"epoch"):
            line = stream.readline()
        raise KeyboardInterrupt

    monkeypatch.setattr(spawn, "_pass_on", interrupted)
    result = train(config({"train.epochs": 100_000}), out="out", ranks=2)
    assert (result.code, result.summary) == (130, None)
    assert list(Path("out/checkpoints").glob("step-*"))
    assert "interrupted after step" in capfd.readouterr().err


REPORTS = {
    "a user's": (2, ["DataError", "x: y"], DataError, "x: y"),
    "a plugin's own": (2, ["AcmeError", "x"], package.UserError, "x"),
    "a failure": (1, ["ValueError", "rank 1: x"], RunError, "rank 1: x"),
    "of ours": (1, ["NonFiniteError", "step 1"], NonFiniteError, "step 1"),
    "plugins": (2, ["PluginError", "x"], PluginError, "x"),
    "checkpoints": (2, ["CheckpointError", "x"], CheckpointError, "x"),
    "none": (1, None, RunError, "the job ended with exit code 1; what it said is above"),
}


@pytest.mark.parametrize(("code", "report", "error", "message"), REPORTS.values(), ids=REPORTS)
def test_what_a_job_reports_becomes_an_error(code, report, error, message, elsewhere):
    path = elsewhere / "report.json"
    if report is not None:
        path.write_text(json.dumps(report))
    found = spawn.error_of(code, path, elsewhere / "config.toml", "")
    assert (type(found), str(found)) == (error, message)


def test_nothing_is_left_running(config):
    before = threading.active_count()
    train(config({"train.epochs": 1}), out="out")
    assert threading.active_count() == before
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_script_under_mpirun_trains_its_part(mpirun, config, write, sha):
    write()
    Path("script.py").write_text(
        "import dtrain\n"
        "try:\n    dtrain.train('run.toml', set={'loss.name': 'mse'}, out='bad')\n"
        "except dtrain.UserError as error:\n    print('refused', flush=True)\n"
        "result = dtrain.train('run.toml', out='out')\n"
        "print(result.summary['ranks'], result.summary['weights_sha256'], flush=True)\n"
    )
    ended = mpirun(2, ["-P", "script.py"], timeout=30)
    assert ended.code == 0, ended.output
    assert ended.output.count("refused\n") == 2
    assert ended.output.count(f"2 {sha(config())}\n") == 2
