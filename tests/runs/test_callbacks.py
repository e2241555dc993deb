"""The moments of a run: called in order, with the same figures on every rank, and named when they fail."""

from __future__ import annotations

import json
import time

import pytest

from dtrain.errors import UserError
from dtrain.trainer import checkpoint

WITNESS = """
    import json, threading
    from dtrain import Callback, ConfigError, hookimpl

    SEEN = {}

    class Witness(Callback):
        def __init__(self, fails: str = "", wrong: bool = False, stop: int = 0):
            self.fails, self.wrong, self.at, self.count = fails, wrong, stop, 0

        def _see(self, moment, run):
            seen = SEEN.setdefault(threading.current_thread().name, [])
            seen.append([moment, run.epoch, run.step, run.steps, dict(run.train), run.validation, run.options["lr"],
                         list(run.measures), run.held_out])
            if moment == self.fails:
                raise ConfigError("not this way") if self.wrong else ZeroDivisionError("by nothing")

        def start(self, run): self._see("start", run)
        def after_step(self, run):
            self.count += 1
            self._see("after_step", run)
            if run.step == self.at:
                run.stop("enough")
                run.stop("and again")
        def after_epoch(self, run): self._see("after_epoch", run)
        def after_checkpoint(self, run): self._see("after_checkpoint", run)
        def end(self, run): self._see("end", run)
        def failure(self, run, error):
            self._see("failure", run)
            if self.fails == "start":
                raise OSError("even then")
        def state(self): return {"count": self.count}
        def load_state(self, state): self.count = state["count"]

    @hookimpl
    def dtrain_callbacks():
        return {"witness": Witness}
"""
ORIGIN = "'witness' from plugin 'acme' 1.2 (distribution acme-dtrain)"


@pytest.fixture
def seen(acme):
    """seen() → what the callbacks of each rank saw."""
    acme(WITNESS)

    def of_all():
        import acme

        return [acme.SEEN[rank] for rank in sorted(acme.SEEN)]

    return of_all


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_every_moment_comes_in_order_with_the_figures_of_all_ranks(ranks, seen, config, on_ranks, elsewhere):
    tables = config({"callback": [{"name": "witness"}], "train.epochs": 2, "checkpoint.steps": 6})
    on_ranks(ranks, tables, elsewhere / "out")
    first, *others = seen()
    assert len(others) == ranks - 1
    assert all(other == first for other in others)
    step = ["after_step"]
    assert [moment for moment, *_ in first] == [
        "start", *step * 4, "after_epoch", *step * 2, "after_checkpoint", *step * 2, "after_epoch", "end",
        "after_checkpoint",
    ]  # fmt: skip
    assert [number for moment, _, number, *_ in first if moment == "after_step"] == [1, 2, 3, 4, 5, 6, 7, 8]
    metrics = [json.loads(line) for line in (elsewhere / "out" / "metrics.jsonl").read_text().splitlines()]
    epochs = [row for row in first if row[0] == "after_epoch"]
    assert [row[1:] for row in epochs] == [
        [line["epoch"], line["step"], 8, line["train"], line["validation"], 0.05, ["loss", "accuracy"], True]
        for line in metrics
    ]
    assert first[0][1:] == [0, 0, 8, {}, None, 0.05, ["loss", "accuracy"], True]


@pytest.mark.parametrize("ranks", [1, 2])
def test_after_a_checkpoint_means_that_it_is_on_the_disk(
    ranks, acme, config, on_ranks, elsewhere, monkeypatch
):
    acme("""
        from pathlib import Path
        from dtrain import Callback, hookimpl

        SEEN = []

        class Reader(Callback):
            def after_checkpoint(self, run):
                SEEN.append((run.step, Path(f"out/checkpoints/step-{run.step:010d}.safetensors").exists()))

        @hookimpl
        def dtrain_callbacks():
            return {"reader": Reader}
    """)
    write = checkpoint.write

    def slow(path, found):
        time.sleep(0.03)
        write(path, found)

    monkeypatch.setattr(checkpoint, "write", slow)
    on_ranks(
        ranks, config({"callback": ["reader"], "checkpoint": {"steps": 3, "best": False}}), elsewhere / "out"
    )
    import acme as plugin

    assert sorted(plugin.SEEN) == [(step, True) for step in (3, 6, 9, 12) for _ in range(ranks)]


def test_stop_ends_the_run_after_the_moment_with_its_first_reason(seen, config, on_ranks, elsewhere):
    (result, _) = on_ranks(2, config({"callback": [{"name": "witness", "stop": 3}]}), elsewhere / "out")
    assert (result.summary["stopped"], result.summary["steps"]) == ("enough", 3)
    assert result.summary["train"]["loss"] > 0
    assert [row[0] for row in seen()[0]][-3:] == ["after_epoch", "end", "after_checkpoint"]


@pytest.mark.parametrize("moment", ["start", "after_step", "after_epoch", "after_checkpoint", "end"])
def test_a_callback_that_fails_is_named_and_told(moment, seen, write, dtrain):
    path = write({"callback": [{"name": "witness", "fails": moment}]})
    ended = dtrain("train", path, "--out", "out")
    also = f"; and failure of the callback {ORIGIN} raised OSError('even then')" if moment == "start" else ""
    assert ended.code == 1
    assert ended.err.splitlines()[-1].split("): ", 1)[1] == (
        f"ZeroDivisionError: by nothing (in {moment} of the callback {ORIGIN}{also}); the traceback is above"
    )
    assert [row[0] for row in seen()[0]][-2:] == [moment, "failure"]


def test_a_callback_that_fails_at_the_end_loses_no_training(seen, write, dtrain, sha, config):
    assert (
        dtrain("train", write({"callback": [{"name": "witness", "fails": "end"}]}), "--out", "out").code == 1
    )
    assert dtrain("train", write({"callback": [{"name": "witness"}]}), "--out", "out", "--resume").code == 0
    with open("out/summary.json") as file:
        assert json.load(file)["weights_sha256"] == sha(config())


@pytest.mark.parametrize("ranks", [1, 2])
def test_a_mistake_that_a_callback_finds_at_the_start_is_raised_on_all_ranks(
    ranks, seen, config, on_ranks, elsewhere
):
    tables = config({"callback": [{"name": "witness", "fails": "start", "wrong": True}]})
    with pytest.raises(UserError) as raised:
        on_ranks(ranks, tables, elsewhere / "out")
    assert str(raised.value) == "[[callback]] #1: not this way"
    assert not (elsewhere / "out").exists()


def test_a_state_that_no_checkpoint_can_hold_is_told_with_its_callback(acme, write, dtrain):
    acme("""
        import numpy as np
        from dtrain import Callback, hookimpl
        class Bad(Callback):
            def state(self): return {"best": np.float32(1)}
        @hookimpl
        def dtrain_callbacks(): return {"bad": Bad}
    """)
    ended = dtrain("train", write({"callback": ["bad"]}), "--out", "out")
    assert ended.code == 2
    assert ended.err.splitlines()[-1] == (
        "dtrain: state of callback 'bad' from plugin 'acme' 1.2 (distribution acme-dtrain): expected JSON values (and "
        "snapshots, of a callback), got one that is not: Object of type float32 is not JSON serializable"
    )


PARTS = """
    import numpy as np
    from dtrain import Loss, Metric, Optimizer, Regularizer, Schedule, Transform, Initializer, hookimpl

    class Boom(Exception): ...

    def boom(self, *arguments): raise Boom("boom")

    class BadLoss(Loss): forward = boom
    class BadMetric(Metric): forward = boom
    class BadOptimizer(Optimizer):
        lr = 0.1
        update = boom
    class BadRegularizer(Regularizer): gradient = boom
    class BadSchedule(Schedule): __call__ = boom
    class BadTransform(Transform): forward = boom
    class BadInitializer(Initializer): __call__ = boom

    @hookimpl
    def dtrain_losses(): return {"bad": BadLoss}
    @hookimpl
    def dtrain_metrics(): return {"bad": BadMetric}
    @hookimpl
    def dtrain_optimizers(): return {"bad": BadOptimizer}
    @hookimpl
    def dtrain_regularizers(): return {"bad": BadRegularizer}
    @hookimpl
    def dtrain_schedules(): return {"bad": BadSchedule}
    @hookimpl
    def dtrain_transforms(): return {"bad": BadTransform}
    @hookimpl
    def dtrain_initializers(): return {"bad": BadInitializer}
"""
PLACES = {
    "loss": {"loss": "bad"},
    "metric": {"train.metrics": ["accuracy", "bad"]},
    "optimizer": {"optimizer": {"name": "bad"}},
    "regularizer": {"regularizer": ["bad"]},
    "schedule": {"schedule": ["bad"]},
    "transform": {"data.transform": [{"name": "bad"}]},
    "initializer": {"network.0.initializer": "bad"},
}


@pytest.mark.parametrize(("kind", "changes"), PLACES.items(), ids=PLACES)
def test_a_part_that_fails_is_named_with_its_plugin(kind, changes, acme, write, dtrain, elsewhere):
    acme(PARTS)
    ended = dtrain("train", write(changes), "--out", "out")
    assert ended.code == 1
    last = ended.err.splitlines()[-1]
    where = (
        "before the first step" if kind == "schedule" else "epoch 1, step 1"
    )  # a schedule is asked for all steps
    assert f"({where}): Boom: boom (" in last
    assert last.endswith(
        f" of {kind} 'bad' from plugin 'acme' 1.2 (distribution acme-dtrain)); the traceback is above"
    )
    assert "Traceback" in ended.err
    assert not (elsewhere / "out").exists()
