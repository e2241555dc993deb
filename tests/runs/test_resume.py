"""A run that goes on, from any step and on any number of ranks, ends in the weights of one undisturbed."""

from __future__ import annotations

import json
import os
import shutil
import signal
from itertools import count
from pathlib import Path

import pytest

from dtrain.config import load
from dtrain.errors import ConfigError
from dtrain.trainer import checkpoint, saving

RUNS = {
    "plain": {},
    "schedules": {
        "schedule": [{"name": "cosine"}, {"name": "cosine", "of": "beta_1", "unit": "epoch"}],
    },
    "early stopping": {
        "callback": [{"name": "early_stopping", "patience": 1}],
        "optimizer.lr": 2.0,
        "train.epochs": 8,
    },
    "accumulate": {"train.accumulate": 3, "train.clip_norm": 0.3},
    "running statistics, dropout": {
        "network": [
            {"name": "dense", "units": 6, "bias": False},
            {"name": "batch_norm"},
            {"name": "dropout", "rate": 0.4},
            {"name": "dense", "units": 3},
        ],
    },
    "sums, and a switch in the middle": {
        "optimizer": {"name": "swats", "lr": 0.02, "beta_2": 0.9, "tolerance": 0.01},
        "schedule": [{"name": "cosine"}],
        "regularizer": [{"name": "weight_decay", "weight": 0.1}],
    },
    "sums of each matrix": {"optimizer": {"name": "lamb", "lr": 0.05}},
    "steps": {"train": {"steps": 10, "batch_size": 16, "metrics": ["accuracy"]}},
}


def summary(folder: Path) -> dict:
    return json.loads((folder / "summary.json").read_text())


def metrics(folder: Path) -> list[dict]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key != "seconds"} for line in lines]


def cut_back(folder: Path, to: Path, step: int) -> None:
    """A copy of a run as a kill -9 after `step` would have left it, torn line and all."""
    shutil.copytree(folder, to)
    (to / "summary.json").unlink()
    for path in (to / "checkpoints").glob("step-*"):
        if path.name > checkpoint.name_of(step):
            path.unlink()
    with (to / "metrics.jsonl").open("a") as file:
        file.write('{"epoch": 7, "st')


@pytest.mark.parametrize("changes", RUNS.values(), ids=RUNS)
def test_a_run_goes_on_from_any_step_on_any_ranks(changes, config, on_ranks, elsewhere):
    tables = config({**changes, "checkpoint": {"steps": 1, "keep": 100}})
    whole = elsewhere / "whole"
    on_ranks(1, tables, whole)
    last = summary(whole)["steps"]
    for step, ranks in [(1, 2), (3, 3), (4, 1), (6, 1), (last, 2)]:
        cut = elsewhere / f"cut-{step}"
        cut_back(whole, cut, step)
        on_ranks(ranks, tables, cut, resume=True)
        kept = ("weights_sha256", "epochs", "steps", "train", "validation", "stopped", "skipped")
        assert [summary(cut)[key] for key in kept] == [summary(whole)[key] for key in kept], step
        if step != last or last % 4 == 0:
            assert metrics(cut) == metrics(whole)


def test_early_stopping_did_stop(config, on_ranks, elsewhere):
    """A negative control for the test above."""
    (result,) = on_ranks(1, config(RUNS["early stopping"]), elsewhere / "out")
    assert result.summary["stopped"] == "validation loss has not improved for 1 epoch"
    assert result.summary["epochs"] < 8


def test_swats_did_switch(config, on_ranks, elsewhere):
    """Another: what a checkpoint keeps of it differs before and after."""
    tables = config({**RUNS["sums, and a switch in the middle"], "checkpoint": {"steps": 1, "keep": 100}})
    on_ranks(1, tables, elsewhere / "out")
    folder = elsewhere / "out" / "checkpoints"
    kept = [checkpoint.read(folder / checkpoint.name_of(step)).cursor["optimizer"] for step in range(1, 13)]
    assert {part["name"] for part in kept} == {"swats"}
    before = [part["state"]["rate"] is None for part in kept]
    assert before == [True] * 4 + [False] * 8


def test_another_optimizer_with_the_same_slots_starts_afresh(write, dtrain, elsewhere):
    """What one optimizer kept beside its slots is nothing to another."""
    assert dtrain("train", write({"train.steps": 6}), "--out", "out").code == 0
    more = ["--set", "train.steps=8", "--set", "optimizer={name='nadam', lr=0.05}"]
    assert dtrain("train", "--resume", "--out", "out", *more).code == 0
    kept = checkpoint.read(elsewhere / "out" / "checkpoints" / checkpoint.name_of(8)).cursor["optimizer"]
    assert kept == {"name": "nadam", "state": {}}


def test_a_run_that_has_ended_keeps_its_summary(config, write, dtrain, elsewhere):
    assert dtrain("train", write({"train.steps": 6}), "--out", "out").code == 0
    before = summary(elsewhere / "out"), metrics(elsewhere / "out")
    assert dtrain("train", "--resume", "--out", "out").code == 0
    assert (summary(elsewhere / "out"), metrics(elsewhere / "out")) == before


def test_a_run_that_has_ended_can_be_prolonged(write, dtrain, sha, config, elsewhere):
    assert dtrain("train", write({"train.steps": 6}), "--out", "out").code == 0
    assert dtrain("train", "--resume", "--out", "out", "--set", "train.steps=11").code == 0
    assert summary(elsewhere / "out")["weights_sha256"] == sha(config({"train.steps": 11}))
    assert [line["epoch"] for line in metrics(elsewhere / "out")] == [1, 2, 2.75]


def test_the_number_of_shards_is_the_runs(config, on_ranks, sha, elsewhere):
    tables = config({"train.shards": "ranks"})
    on_ranks(2, config({"train.shards": "ranks", "train.time_limit": 1e-9}), elsewhere / "out")
    on_ranks(1, tables, elsewhere / "out", resume=True)
    assert summary(elsewhere / "out")["shards"] == 2
    assert summary(elsewhere / "out")["weights_sha256"] == sha(tables, ranks=2)
    assert summary(elsewhere / "out")["weights_sha256"] != sha(tables, ranks=1)


KEPT = {
    "seed": (1, "seed: expected 0, with which the run in «at»/out was started and which it keeps, got 1; "),
    "train.batch_size": (
        8,
        "[train] batch_size: expected 16, with which the run in «at»/out was started and which it keeps, got 8; ",
    ),
    "train.dtype": (
        "float64",
        "[train] dtype: expected float32, with which the run in «at»/out was started and which it keeps, "
        "got float64; ",
    ),
    "train.shards": (
        4,
        "[train] shards: expected 8, with which the run in «at»/out was started and which it keeps, got 4; ",
    ),
}


@pytest.mark.parametrize("key", KEPT)
def test_what_a_run_keeps_cannot_be_changed(key, write, dtrain, elsewhere):
    assert dtrain("train", write(), "--out", "out").code == 0
    value, message = KEPT[key]
    ended = dtrain("train", write({key: value}), "--out", "out", "--resume")
    message = message.replace("«at»", str(elsewhere)) + "start a new run for another"
    assert (ended.code, ended.err) == (2, f"dtrain: {message}\n")
    assert summary(elsewhere / "out")["steps"] == 12  # it is as it was


FOREIGN = {
    "another network": (
        {"network.0.units": 7},
        "'value/dense_1.weight' must be (4, 7) of float32, got (4, 5) of float32",
    ),
    "another optimizer": (
        {"optimizer": {"name": "momentum", "lr": 0.1}},
        "the network needs 'slot/velocity/dense_1.weight', which the checkpoint does not hold; it holds "
        + ", ".join(
            repr(f"{first}/{layer}.{name}")
            for first in ("slot/m", "slot/v", "value")
            for layer in ("dense_1", "dense_2")
            for name in ("bias", "weight")
        ),
    ),
    "other data": (
        {"data.validation": 0.5},
        "[data] (training samples): expected 60, as when the run was saved, got 40; "
        "start a new run for other ones",
    ),
    "other metrics": (
        {"train.metrics": []},
        "[train] metrics: expected ['accuracy'], as when the run was saved, got []; "
        "start a new run for other ones",
    ),
    "other callbacks": (
        {"callback": [{"name": "early_stopping"}]},
        "[[callback]]: expected [], as when the run was saved, got ['early_stopping']; "
        "start a new run for other ones",
    ),
}


@pytest.mark.parametrize(("changes", "message"), FOREIGN.values(), ids=FOREIGN)
def test_a_checkpoint_that_does_not_fit_is_refused(changes, message, write, dtrain, elsewhere):
    assert dtrain("train", write(), "--out", "out").code == 0
    before = (elsewhere / "out" / "config.toml").read_text()
    ended = dtrain("train", write(changes), "--out", "out", "--resume")
    path = elsewhere / "out" / "checkpoints" / "step-0000000012.safetensors"
    assert (ended.code, ended.err) == (2, f"dtrain: {path}: {message}\n")
    assert (elsewhere / "out" / "config.toml").read_text() == before
    assert summary(elsewhere / "out")["steps"] == 12


def test_a_damaged_checkpoint_falls_back_to_the_one_before(config, write, dtrain, sha, elsewhere):
    path = write({"checkpoint": {"steps": 4, "keep": 1}, "train.steps": 8})
    assert dtrain("train", path, "--out", "out", "--set", "checkpoint.keep=5").code == 0
    folder = elsewhere / "out" / "checkpoints"
    newest = folder / checkpoint.name_of(8)
    newest.write_bytes(newest.read_bytes()[:-1])
    (folder / checkpoint.name_of(99)).write_bytes(b"")
    ended = dtrain("train", path, "--out", "out", "--resume", "--set", "train.steps=6")
    assert ended.code == 0
    warnings = [line for line in ended.err.splitlines() if "warning" in line]
    assert [line.split(": expected")[0] for line in warnings] == [
        f"dtrain: warning: {folder / checkpoint.name_of(99)}",
        f"dtrain: warning: {newest}",
    ]
    assert all(line.endswith("; taking the one before") for line in warnings)
    assert f"resumed after step 4 from {folder / checkpoint.name_of(4)}" in ended.err.splitlines()
    assert summary(elsewhere / "out")["weights_sha256"] == sha(config({"train.steps": 6}))
    # The good one stays, though the damaged ones had higher numbers.
    assert sorted(path.name for path in folder.glob("step-*")) == [checkpoint.name_of(6)]


@pytest.mark.parametrize("ranks", [1, 2])
def test_a_time_limit_of_the_command_line_ends_a_run_and_resume_goes_on(
    ranks, write, dtrain, sha, config, on_ranks, elsewhere
):
    """In an epoch, which the resumed run ends."""
    ended = dtrain("train", write(), "--out", "out", "--time-limit", "0.000001")
    assert ended.code == 0
    assert "stopped: time limit of 1e-06 s" in ended.err.splitlines()
    assert summary(elsewhere / "out")["steps"] == 1
    assert checkpoint.newest(elsewhere / "out" / "checkpoints")[0].name == checkpoint.name_of(1)
    on_ranks(ranks, config(), elsewhere / "out", resume=True)
    assert summary(elsewhere / "out")["weights_sha256"] == sha(config())


def test_a_time_limit_of_the_command_line_is_that_jobs_alone(write, dtrain, sha, config, elsewhere):
    """What the config says of it stays recorded."""
    path = write({"train.time_limit": 3600})
    assert dtrain("train", path, "--out", "out", "--time-limit", "0.000001").code == 0
    assert dtrain("train", "--resume", "--out", "out", "--time-limit", "0.000001").code == 0
    assert summary(elsewhere / "out")["steps"] == 2
    assert load(elsewhere / "out" / "config.toml").train.time_limit == 3600
    assert dtrain("train", "--resume", "--out", "out").code == 0
    assert summary(elsewhere / "out")["weights_sha256"] == sha(config())


def test_a_time_limit_of_the_config_is_that_of_every_job_from_its_own_start(
    write, dtrain, elsewhere, monkeypatch
):
    """Had it counted from the run's start, a later job would end after one step."""
    ticks = count()
    monkeypatch.setattr(saving, "monotonic", lambda: float(next(ticks)))
    path, taken = write({"train.time_limit": 8}), [0]
    for resume in ([], ["--resume"]):
        assert dtrain("train", path, "--out", "out", *resume).code == 0
        written = summary(elsewhere / "out")
        assert written["stopped"] == "time limit of 8 s"
        taken.append(written["steps"])
    assert taken[2] - taken[1] == taken[1] - taken[0] > 1


def test_a_time_limit_that_is_no_duration_is_a_mistake(write, dtrain, elsewhere):
    ended = dtrain("train", write(), "--out", "out", "--time-limit", "90 min")
    assert (ended.code, ended.err) == (
        2,
        "dtrain: --time-limit: expected seconds, or a duration such as 1h30m or 45s, got '90 min'\n",
    )
    assert not (elsewhere / "out").exists()


def test_a_full_disk_in_the_middle_of_a_run_is_one_line_and_resume_goes_on(
    write, dtrain, sha, config, elsewhere, monkeypatch
):
    whole, path = checkpoint.write, write({"checkpoint.steps": 3})

    def full(file, found):
        if file.name == checkpoint.name_of(9):
            raise OSError(28, "No space left on device")
        whole(file, found)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "write", full)
        ended = dtrain("train", path, "--out", "out")
    assert ended.code == 1
    assert "Traceback" not in ended.err
    assert ended.err.splitlines()[-1] == (
        f"dtrain: {elsewhere / 'out' / 'checkpoints' / checkpoint.name_of(9)}: expected a checkpoint to be written, "
        "got: No space left on device; those before it are whole: make room and go on with --resume"
    )
    assert dtrain("train", "--resume", "--out", "out").code == 0
    assert summary(elsewhere / "out")["weights_sha256"] == sha(config())


def test_figures_for_which_the_disk_has_no_room_end_the_run_in_one_line_and_resume_goes_on(
    acme, write, dtrain, sha, config, elsewhere
):
    """/dev/full is a disk that is full: metrics.jsonl stands there from the second epoch on."""
    acme("""
        from pathlib import Path
        from dtrain import Callback, hookimpl

        class Full(Callback):
            def after_step(self, run):
                if run.step == 5:
                    path = Path("out/metrics.jsonl")
                    path.rename(path.with_name("kept"))
                    path.symlink_to("/dev/full")

        @hookimpl
        def dtrain_callbacks(): return {"full": Full}
    """)
    ended = dtrain("train", write({"checkpoint.steps": 3, "callback": ["full"]}), "--out", "out")
    metrics = elsewhere / "out" / "metrics.jsonl"
    assert (ended.code, ended.err.splitlines()[-1]) == (
        1,
        f"dtrain: {metrics}: expected a file to be written, got: No space left on device; checkpoints before it are "
        "whole: make room and go on with --resume",
    )
    assert "Traceback" not in ended.err
    metrics.with_name("kept").replace(metrics)
    assert dtrain("train", "--resume", "--out", "out").code == 0
    assert summary(elsewhere / "out")["weights_sha256"] == sha(config())


SIGNALS = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGUSR1: 143}

STOPPER = """
    import os
    from dtrain import Callback, hookimpl

    class Stopper(Callback):
        def __init__(self, signal: int, step: int):
            self.signal, self.at = signal, step

        def after_step(self, run):
            if run.step == self.at:
                os.kill(os.getpid(), self.signal)

    @hookimpl
    def dtrain_callbacks():
        return {"stopper": Stopper}
"""


@pytest.mark.parametrize(("number", "code"), SIGNALS.items(), ids=str)
@pytest.mark.parametrize("step", [1, 3, 8])
def test_a_signal_ends_a_run_after_a_checkpoint(
    number, code, step, acme, write, dtrain, config, sha, elsewhere
):
    acme(STOPPER)
    handlers = [signal.getsignal(number) for number in SIGNALS]
    stopper = {"name": "stopper", "signal": int(number), "step": step}
    ended = dtrain("train", write({"callback": [stopper]}), "--out", "out")
    after = step + 1  # the ranks hear of it with the next step
    assert ended.code == code
    assert ended.err.splitlines()[-1] == (
        f"interrupted after step {after}; go on with: dtrain train --resume --out {elsewhere / 'out'}"
    )
    assert not (elsewhere / "out" / "summary.json").exists()
    assert checkpoint.newest(elsewhere / "out" / "checkpoints")[0].name == checkpoint.name_of(after)
    assert [signal.getsignal(number) for number in SIGNALS] == handlers
    assert dtrain("train", "--resume", "--out", "out").code == 0
    assert summary(elsewhere / "out")["weights_sha256"] == sha(config())


def test_a_signal_in_the_last_step_comes_too_late(acme, write, dtrain, elsewhere):
    acme(STOPPER)
    stopper = {"name": "stopper", "signal": int(signal.SIGTERM), "step": 12}
    assert dtrain("train", write({"callback": [stopper]}), "--out", "out").code == 0
    assert summary(elsewhere / "out")["steps"] == 12


def test_a_second_ctrl_c_ends_a_run_at_once(acme, write, dtrain):
    acme(STOPPER)
    stopper = {"name": "stopper", "signal": int(signal.SIGINT), "step": 2}
    ended = dtrain("train", write({"callback": [stopper, stopper]}), "--out", "out")
    assert ended.code == 130
    assert ended.err.splitlines()[-1] == "dtrain: interrupted; nothing saved since the last checkpoint"


def test_resume_needs_out_from_python_too(config, on_ranks):
    with pytest.raises(ConfigError) as raised:
        on_ranks(2, config(), None, resume=True)
    assert str(raised.value) == "--resume: expected --out with the folder of the run to go on with"
    assert not os.path.exists("runs")
