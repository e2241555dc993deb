"""Layers and initializers that learn from the training set, in runs: on any ranks, stopped, resumed, prolonged."""

from __future__ import annotations

import numpy as np
import pytest

from dtrain.communicator import run_ranks
from dtrain.config import load
from dtrain.trainer import checkpoint, train_session
from tests.runs.test_resume import cut_back, metrics, summary

START = {
    "network": [
        {"name": "standardize"},
        {"name": "dense", "units": 6, "initializer": "lsuv", "activation": "tanh"},
        {"name": "residual", "layers": [{"name": "whiten", "epsilon": 0.1}, "tanh"]},
        {"name": "dense", "units": 3, "initializer": {"name": "lsuv", "tolerance": 0.01}},
    ],
}
KEPT = ("weights_sha256", "epochs", "steps", "train", "validation", "stopped", "skipped")

ACME = """
    import numpy as np
    from dtrain import Layer, hookimpl

    class Final(Layer):
        '''y = a·x, a = 1 while training, then such that the mean of |y| is 1; training would notice.'''

        fits = "end"
        passes = 0

        def __init__(self, wrong: str = ""):
            self.wrong = wrong

        def build(self, shape, make):
            self.a = make.state("a", (1,), 1.0)
            return shape

        def fit(self, batches, context):
            Final.passes += 1
            if self.wrong == "raises":
                raise ArithmeticError("cannot learn that")
            total, count = 0.0, 0
            for x in batches:
                total = total + context.sum(np.abs(x).sum(axis=1, dtype=np.float64)[:, None])
                count += context.rows * x.shape[1]
            self.a.value = count / total if self.wrong != "nan" else np.full(1, np.nan)

        def forward(self, x, context):
            a = self.a.value.astype(x.dtype)
            return x * a, lambda dy: dy * a

    class FirstFinal(Final):
        fits = "start"

    @hookimpl
    def dtrain_layers():
        return {"final": Final, "first_final": FirstFinal}
"""


def layers(**final):
    return {
        "network": [
            {"name": "standardize"},
            {"name": "dense", "units": 5},
            {"name": final.pop("name", "final"), **final},
            {"name": "tanh"},
            {"name": "dense", "units": 3},
        ]
    }


def train(tables, out, ranks, share_memory=True, **options):
    def job(communicator):
        return train_session(lambda: load(tables), communicator, out, **options)

    return run_ranks(ranks, job, share_memory)[0]


@pytest.mark.parametrize(("ranks", "share_memory"), [(2, True), (3, True), (3, False)])
@pytest.mark.parametrize("name", ["start", "end"])
def test_any_ranks_end_with_the_same_weights(name, ranks, share_memory, config, acme, sha, elsewhere):
    acme(ACME)
    tables = config(START if name == "start" else layers())
    got = train(tables, elsewhere / "out", ranks, share_memory).summary
    assert got["weights_sha256"] == sha(tables)
    assert got["weights_sha256"] != sha({**tables, "train": {**tables["train"], "shards": 5}})


def test_what_is_learned_is_of_the_training_samples_alone(config, on_ranks, elsewhere):
    on_ranks(2, config(START), elsewhere / "out")
    arrays = checkpoint.read(checkpoint.newest(elsewhere / "out" / "checkpoints")[0]).arrays
    held_out = elsewhere / "held-out"
    held_out.mkdir()
    seen = []
    on_ranks(1, config(START), held_out / "out", prepared=lambda trainer: seen.append(trainer.job.train))
    x, _ = seen[0].rows(np.arange(len(seen[0])))
    assert len(x) == 60
    np.testing.assert_allclose(arrays["state/standardize_1.mean"], x.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(arrays["state/standardize_1.std"], x.std(axis=0), rtol=1e-6)


@pytest.mark.parametrize("name", ["start", "end"])
def test_a_run_goes_on_from_any_step_on_any_ranks(name, config, acme, on_ranks, elsewhere):
    acme(ACME)
    changes = START if name == "start" else layers()
    tables = config({**changes, "checkpoint": {"steps": 1, "keep": 100}})
    whole = elsewhere / "whole"
    on_ranks(1, tables, whole)
    last = summary(whole)["steps"]
    for step, ranks in [(1, 2), (5, 3), (last, 2)]:
        cut = elsewhere / f"cut-{step}"
        cut_back(whole, cut, step)
        on_ranks(ranks, tables, cut, resume=True)
        assert [summary(cut)[key] for key in KEPT] == [summary(whole)[key] for key in KEPT], step
        assert metrics(cut) == metrics(whole)


@pytest.mark.parametrize("name", ["start", "end"])
def test_a_time_limit_changes_nothing_in_the_end(name, config, acme, on_ranks, sha, elsewhere):
    acme(ACME)
    changes = START if name == "start" else layers()
    on_ranks(2, config({**changes, "train.time_limit": 1e-9}), elsewhere / "out")
    assert summary(elsewhere / "out")["steps"] == 1
    on_ranks(3, config(changes), elsewhere / "out", resume=True)
    assert summary(elsewhere / "out")["weights_sha256"] == sha(config(changes))


def test_a_run_that_has_ended_can_be_prolonged(config, acme, on_ranks, sha, elsewhere):
    acme(ACME)
    short, long = config({**layers(), "train.steps": 6}), config({**layers(), "train.steps": 11})
    on_ranks(2, short, elsewhere / "out")
    before = summary(elsewhere / "out")
    on_ranks(1, short, elsewhere / "out", resume=True)  # with no step left
    assert [summary(elsewhere / "out")[key] for key in KEPT] == [before[key] for key in KEPT]
    on_ranks(1, long, elsewhere / "out", resume=True)
    assert summary(elsewhere / "out")["weights_sha256"] == sha(long)


def test_what_is_learned_at_the_end_is_saved_beside_what_training_left_and_evaluated(
    config, acme, on_ranks, elsewhere
):
    acme(ACME)
    on_ranks(2, config(layers()), elsewhere / "out")
    arrays = checkpoint.read(checkpoint.newest(elsewhere / "out" / "checkpoints")[0]).arrays
    assert arrays["before_fit/state/final_1.a"] == 1
    assert arrays["state/final_1.a"] != 1
    assert [name for name in arrays if name.startswith("before_fit/")] == ["before_fit/state/final_1.a"]
    assert summary(elsewhere / "out")["validation"] != metrics(elsewhere / "out")[-1]["validation"]


def test_a_run_that_is_resumed_does_not_learn_its_start_again(config, acme, on_ranks, elsewhere):
    acme(ACME)
    tables = layers(name="first_final")
    on_ranks(1, config({**tables, "train.time_limit": 1e-9}), elsewhere / "out")
    from acme import Final

    assert Final.passes == 1
    on_ranks(1, config(tables), elsewhere / "out", resume=True)
    assert Final.passes == 1


@pytest.mark.parametrize("command", ["train", "debug"])
def test_an_error_names_layer_and_plugin_and_what_was_trained_is_safe(
    command, write, acme, dtrain, elsewhere
):
    acme(ACME)
    ended = dtrain(command, write(layers(wrong="raises")), "--out", "out")
    assert ended.code == 1
    told = "ArithmeticError: cannot learn that (in the fit of layer 'final_1' (layer 'final' from plugin 'acme' 1.2 ("
    assert told in ended.err.splitlines()[-1]
    assert not (elsewhere / "out" / "summary.json").exists()
    assert checkpoint.newest(elsewhere / "out" / "checkpoints")[0].name == checkpoint.name_of(12)


def test_one_that_fails_at_the_start_leaves_nothing_behind(write, acme, dtrain, elsewhere):
    acme(ACME)
    assert dtrain("train", write(layers(name="first_final", wrong="raises")), "--out", "out").code == 1
    assert not (elsewhere / "out").exists()


def test_debugging_names_the_layer_that_learned_no_number(write, acme, dtrain):
    acme(ACME)
    ended = dtrain("debug", write(layers(name="first_final", wrong="nan")), "-n", "2", "--out", "out")
    assert ended.code == 1
    message = "layer 'first_final_1', fit: what it learned is not finite at (0,): nan"
    assert message in ended.err.splitlines()[-1]


def test_the_resolved_config_and_the_options_hold_every_default(config, on_ranks, elsewhere):
    on_ranks(1, config(START), elsewhere / "out")
    text = (elsewhere / "out" / "config.toml").read_text()
    for line in ("epsilon = 0.0", 'mode = "zca"', "max_iterations = 10", "tolerance = 0.1"):
        assert line in text
