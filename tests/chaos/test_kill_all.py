"""A few of the runs of kill_all.py, and that it would notice."""

from __future__ import annotations

import random
import shutil

import pytest

from dtrain.trainer import checkpoint
from tests.chaos import kill_all


def test_runs_killed_whole_end_in_the_weights_of_one_undisturbed(tmp_path):
    reports = kill_all.campaign(tmp_path, 3, 3, lambda number, report: None)
    assert [report.problem for report in reports] == [None] * 3
    assert sum(len(report.kills) for report in reports) >= 3


def test_it_notices_other_weights_and_a_checkpoint_that_is_lost(tmp_path):
    wanted, _ = kill_all.undisturbed(tmp_path / "first")
    run = tmp_path / "first" / "run"
    job = kill_all.Job(1, kill_all._arguments(tmp_path / "first", True), tmp_path / "log")
    output = job.end()
    kill_all._check_end(job, output, run, wanted)
    with pytest.raises(kill_all.Wrong, match="weights_sha256: expected other, got "):
        kill_all._check_end(job, output, run, wanted | {"weights_sha256": "other"})
    with pytest.raises(kill_all.Wrong, match="expected to go on from step 3, got "):
        kill_all._check_start(output, 3, kill_all.Report(), killed=False)
    watch = kill_all.Watch(run)
    watch.look()
    last = kill_all._newest(watch)
    assert last == wanted["steps"] == watch.newest
    (run / "checkpoints" / checkpoint.name_of(last)).unlink()
    with pytest.raises(
        kill_all.Wrong, match=f"the checkpoint of step {last} was there, now the newest is of step"
    ):
        kill_all._newest(watch)


def test_a_kill_leaves_no_process_behind(tmp_path):
    (tmp_path / "run.toml").write_text(kill_all.CONFIG)
    job = kill_all.Job(2, kill_all._arguments(tmp_path, False), tmp_path / "log")
    watch = kill_all.Watch(tmp_path / "run")
    assert kill_all._until(job, watch, "before the first", random.Random(0), 1.0)
    family = [*kill_all._family(job.process.pid)]
    assert len(family) >= 3  # mpirun and two ranks
    job.kill()
    assert not any(map(kill_all._runs, family))
    shutil.rmtree(tmp_path / "run")
