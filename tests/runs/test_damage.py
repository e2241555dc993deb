"""Runs over damaged checkpoints: resumed from the one before, or refused in one line; also evaluate, predict, load."""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import dtrain as package
from dtrain.errors import CheckpointError
from dtrain.trainer import checkpoint
from dtrain.trainer.cursor import read_run

EXAMPLES = int(os.environ.get("DTRAIN_FUZZ", "6"))
"""How many edited cursors are tried; the more, the longer it takes."""

WHOLE = {
    "schedule": [{"name": "warmup", "length": 2, "then": "plateau"}],
    "callback": [{"name": "early_stopping", "patience": 9}],
    "optimizer": {"name": "swats", "lr": 0.02, "beta_2": 0.9, "tolerance": 0.01},
    "checkpoint": {"steps": 4, "keep": 9, "best": True},
    "train.steps": 11,
}


@pytest.fixture
def ran(write, dtrain, elsewhere):
    """A run of 11 steps whose checkpoints are those of 4, 8 and 11."""
    assert dtrain("train", write(WHOLE), "--out", "out").code == 0
    (elsewhere / "out" / "summary.json").unlink()
    return elsewhere / "out" / "checkpoints"


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yields the path to everything in a cursor, tables and lists too."""
    yield path
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in pairs:
        yield from leaves(item, (*path, key))


def edited(path: Path, where: tuple[Any, ...], value: Any) -> None:
    """Sets one value in a checkpoint's cursor, as if dtrain had written it; ... takes the key out."""
    found = checkpoint.read(path)
    cursor = json.loads(json.dumps(found.cursor))
    inner = cursor
    for key in where[:-1]:
        inner = inner[key]
    if value is ...:
        del inner[where[-1]]
    else:
        inner[where[-1]] = value
    arrays = {name: array.copy() for name, array in found.arrays.items()}
    checkpoint.write(path, checkpoint.Checkpoint(arrays, cursor))


WRONG = [..., None, "x", "", [], ["x"], [1, 2, 3], {}, {"x": 1}, True, -1, 0, 1.5, math.nan, math.inf, 10**30]


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_an_edited_cursor_ends_in_no_traceback(data, ran, dtrain, elsewhere):
    last = ran / checkpoint.name_of(11)
    where = data.draw(st.sampled_from([path for path in leaves(checkpoint.read(last).cursor) if path]))
    value = data.draw(st.sampled_from(WRONG))
    copy = elsewhere / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(ran.parent, copy)
    edited(copy / "checkpoints" / last.name, where, value)
    np.save("x.npy", np.zeros((2, 4)))
    commands = [
        ("evaluate", "copy", "--split", "all"),
        ("predict", "copy", "--input", "x.npy", "--output", "y.npy", "--overwrite"),
        ("train", "--resume", "--out", "copy", "--set", "train.steps=17"),
    ]
    for command in commands:
        ended = dtrain(*command)
        assert "Traceback" not in ended.err, (where, value, ended.err)
        lines = [line for line in ended.err.splitlines() if line.startswith("dtrain: ")]
        if ended.code:
            assert (ended.code, len(lines)) in ((2, 1), (1, 1)), (where, value, ended)


def test_an_edited_cursor_is_passed_by_with_a_message(ran, dtrain, sha, config, elsewhere):
    last = ran / checkpoint.name_of(11)
    edited(last, ("so_far", "samples"), "many")
    message = (
        f"{last}: expected a checkpoint that dtrain wrote, got a cursor of another kind "
        "(Expected int, got str - at so_far.samples)"
    )
    with pytest.raises(CheckpointError) as raised:
        read_run(last)
    assert str(raised.value) == message
    ended = dtrain("train", "--resume", "--out", "out")
    assert ended.code == 0
    lines = ended.err.splitlines()
    assert f"dtrain: warning: {message}; taking the one before" in lines
    assert f"resumed after step 8 from {ran / checkpoint.name_of(8)}" in lines
    written = json.loads((elsewhere / "out" / "summary.json").read_text())
    assert written["weights_sha256"] == sha(config(WHOLE))


STATES = {
    "a schedule": (
        ("schedules", 0, "then", "now"),
        None,
        "schedules[0]: expected a state such as { then = { now = 1.0, best = nothing, waited = 0, cooling =…, "
        "got { then = { now = nothing, best = 0.0, waited = 0, cooling =… (TypeError: float() argument must be a "
        "string or a real number, not 'NoneType')",
    ),
    "an optimizer": (("optimizer", "state", "average"), "x", "optimizer.state.average: expected a number, got \"x\""),
    "a callback": (("callbacks", 0, "waited"), True, "callbacks[0].waited: expected a number, got true"),
    "no snapshot": (
        ("callbacks", 0, "best_run"),
        5,
        "callbacks[0].best_run: expected the mark of a snapshot where its arrays are, and there alone, got 5",
    ),
    "too few": (("callbacks",), [], "callbacks: expected as many states as there are of [[callback]], 1, got 0"),
    "other callbacks": (
        ("kept", "[[callback]]"),
        3,
        "[[callback]]: expected 3, as when the run was saved, got ['early_stopping']; start a new run for other ones",
    ),
    "counts": (
        ("skipped",),
        5,
        None,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("where", "value", "message"), STATES.values(), ids=STATES)
def test_a_state_that_no_part_has_left_is_refused(where, value, message, ran, dtrain):
    last = ran / checkpoint.name_of(11)
    edited(last, ("schedules", 0, "then", "best"), 0.0)
    edited(last, where, value)
    ended = dtrain("train", "--resume", "--out", "out")
    if message is None:
        assert ended.code == 0
        assert f"{last}: expected a checkpoint that dtrain wrote" in ended.err
        assert "(position 11, which is not step 11 + skipped 5); taking the one before" in ended.err
        return
    assert (ended.code, ended.err) == (2, f"dtrain: {last}: {message}\n")


def test_another_runs_checkpoint_is_refused(write, dtrain, ran, config):
    other = {**WHOLE, "network.0.units": 6}
    assert dtrain("train", write(other), "--out", "other").code == 0
    last = ran / checkpoint.name_of(11)
    shutil.copyfile(Path("other/checkpoints") / last.name, last)
    ended = dtrain("train", "--resume", "--out", "out")
    message = "'value/dense_1.weight' must be (4, 5) of float32, got (4, 6) of float32"
    assert (ended.code, ended.err) == (2, f"dtrain: {last}: {message}\n")


def test_all_ways_in_pass_a_damaged_one_by(ran, dtrain):
    last = Path("out/checkpoints") / checkpoint.name_of(11)
    last.write_bytes(last.read_bytes()[:-3])
    start = f"{last}: expected a checkpoint, got a damaged file ("
    ended = dtrain("evaluate", "out", "--split", "all")
    assert ended.code == 0
    assert ended.err.startswith(f"dtrain: warning: {start}")
    assert ended.out.splitlines()[-1].endswith(f"step 8 ({checkpoint.name_of(8)})")
    with pytest.warns(UserWarning, match="damaged file"):
        assert package.load("out").checkpoint.name == checkpoint.name_of(8)
    np.save("x.npy", np.zeros((2, 4)))
    ended = dtrain("predict", "out", "--input", "x.npy", "--output", "y.npy", "--checkpoint", "11")
    assert ended.code == 2
    assert ended.err.startswith(f"dtrain: {start}")
    assert len(ended.err.splitlines()) == 1


def test_a_run_killed_before_its_first_checkpoint_begins_anew(ran, dtrain, write, sha, config, elsewhere):
    shutil.rmtree(ran)
    ran.mkdir()
    for arguments in ([], [write(WHOLE)]):
        if arguments:  # killed even before its config was written
            shutil.rmtree(ran.parent)
            ran.mkdir(parents=True)
        ended = dtrain("train", *arguments, "--resume", "--out", "out")
        assert ended.code == 0
        assert f"{elsewhere / 'out'} holds no checkpoint yet: starting from the beginning" in ended.err
        written = json.loads((elsewhere / "out" / "summary.json").read_text())
        assert written["weights_sha256"] == sha(config(WHOLE))
        (elsewhere / "out" / "summary.json").unlink()
        for path in ran.glob("*"):
            path.unlink()
        lines = (ran.parent / "metrics.jsonl").read_text().splitlines()
        assert [json.loads(line)["epoch"] for line in lines] == [1, 2, 2.75]


NOTHING_LEFT = {
    "it has ended": (
        ["summary.json"],
        [],
        "«at»/out/checkpoints: expected a checkpoint to resume from, got none that is whole; start again with "
        "--overwrite",
    ),
    "no config": (
        [],
        ["config.toml"],
        "--resume: expected out/config.toml, got none: the run was killed before it had written it; name its "
        "config: dtrain train CONFIG --resume --out out",
    ),
}


@pytest.mark.parametrize(("there", "gone", "message"), NOTHING_LEFT.values(), ids=NOTHING_LEFT)
def test_a_run_that_cannot_begin_anew_by_itself(there, gone, message, ran, dtrain, elsewhere):
    for path in ran.glob("*"):
        path.unlink()
    for name in there:
        (ran.parent / name).write_text("{}")
    for name in gone:
        (ran.parent / name).unlink()
    ended = dtrain("train", "--resume", "--out", "out")
    assert (ended.code, ended.err) == (2, f"dtrain: {message}\n".replace("«at»", str(elsewhere)))


def test_checkpoints_without_their_config_are_not_taken_for_a_new_runs(ran, dtrain, write, elsewhere):
    (ran.parent / "config.toml").unlink()
    ended = dtrain("train", write(WHOLE), "--resume", "--out", "out")
    assert (ended.code, ended.err) == (
        2,
        f"dtrain: --resume: expected the config.toml of the run in {elsewhere / 'out'}, got none; start again with "
        "--overwrite\n",
    )
