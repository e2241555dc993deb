"""Runs that a procedure leads: what it can do, what is left of it, and how it ends."""

from __future__ import annotations

import json
import os
import signal

import numpy as np
import pytest
from safetensors.numpy import load_file

PLUGIN = """
    import os, signal
    from dtrain import ConfigError, Procedure, hookimpl

    class Plain(Procedure):
        def run(self, course): course.train_on()

    class Nothing(Procedure):
        def run(self, course): pass

    class Back(Procedure):
        "Takes steps, with an option of its own, and takes them back before it trains."
        def __init__(self, steps: int = 6, rewind: bool = True):
            self.steps, self.rewinds = steps, rewind
        def run(self, course):
            beginning = course.mark()
            course.note(losses=[course.take_step({"lr": 0.5}).loss for _ in range(self.steps)])
            if self.rewinds:
                course.rewind(beginning)
            course.say(f"lr is {course.options['lr']:g} at step {course.step}")
            course.train_on()

    class Refuses(Procedure):
        def start(self, course): raise ConfigError("not for this run")

    class Wrong(Procedure):
        def run(self, course): course.take_step({"lt": 1.0})

    class Peeks(Procedure):
        def run(self, course): course.replica

    class Killed(Procedure):
        def __init__(self, trains: bool = False): self.trains = trains
        def run(self, course):
            os.kill(os.getpid(), signal.SIGTERM)
            course.train_on() if self.trains else course.take_step()
            raise AssertionError("the signal was not heard")

    class Forever(Procedure):
        def run(self, course):
            while not course.stopped:
                taken = course.take_step()
            course.note(loss=taken.loss)

    class Explodes(Procedure):
        def run(self, course):
            taken = [course.take_step({"lr": 1e38}) for _ in range(3)]
            course.note(updated=[t.updated for t in taken])

    @hookimpl
    def dtrain_procedures():
        parts = (Plain, Nothing, Back, Refuses, Wrong, Peeks, Killed, Forever, Explodes)
        return {part.__name__.lower(): part for part in parts}
"""


@pytest.fixture(autouse=True)
def plugin(acme):
    acme(PLUGIN)


def led(name, **options):
    return {"procedure": {"name": name} | options}


@pytest.fixture
def summary(on_ranks, config, elsewhere):
    def of(changes=None, ranks=1, **options):
        out = elsewhere / f"run-{len(os.listdir(elsewhere))}"
        result = on_ranks(ranks, config(changes), out, **options)[0]
        return result.summary | {"lines": (out / "metrics.jsonl").read_text().splitlines(), "out": out}

    return of


def test_train_on_is_what_a_run_without_a_procedure_does(summary):
    plain, led_one = summary(), summary(led("plain"))
    for key in ("weights_sha256", "train", "validation", "steps", "epochs"):
        assert led_one[key] == plain[key]
    assert "procedure" not in plain
    assert led_one["procedure"] == {"name": "plain"}


@pytest.mark.parametrize("optimizer", ["adam", "momentum"])
@pytest.mark.parametrize("ranks", [1, 3])
def test_a_rewound_run_goes_on_as_if_nothing_had_been(ranks, optimizer, summary):
    changes = {"optimizer": {"name": optimizer, "lr": 0.05}, "schedule": [{"name": "cosine"}]}
    plain = summary(changes)
    back = summary(changes | led("back"), ranks)
    assert len(back["procedure"]["losses"]) == 6
    assert len(set(back["procedure"]["losses"])) == 6
    assert back["weights_sha256"] == plain["weights_sha256"]
    assert [_timeless(line) for line in back["lines"]] == [_timeless(line) for line in plain["lines"]]
    kept = summary(changes | led("back", rewind=False), ranks)
    assert kept["weights_sha256"] != plain["weights_sha256"]


def _timeless(line):
    return {key: value for key, value in json.loads(line).items() if key != "seconds"}


def test_a_step_takes_options_for_itself_alone_and_says_its_mean_loss(write, dtrain, elsewhere):
    ended = dtrain("train", write(led("back", rewind=False, steps=1)), "--out", "out")
    assert ended.code == 0
    assert "lr is 0.05 at step 1\n" in ended.err
    (loss,) = json.loads((elsewhere / "out/summary.json").read_text())["procedure"]["losses"]
    (first,) = load_losses(elsewhere, write, dtrain)
    assert loss == pytest.approx(first, rel=1e-6)


def load_losses(elsewhere, write, dtrain):
    """The training loss of a plain run's first step."""
    assert dtrain("train", write({"train.steps": 1}), "--out", "one").code == 0
    yield json.loads((elsewhere / "one/summary.json").read_text())["train"]["loss"]


def test_a_run_in_which_nothing_was_trained_has_all_its_files(summary):
    nothing = summary(led("nothing"))
    assert (nothing["steps"], nothing["epochs"]) == (0, 0)
    assert nothing["train"].keys() == nothing["validation"].keys() == {"loss", "accuracy"}
    assert json.loads(nothing["lines"][0])["train"] == nothing["train"]
    (checkpoint,) = (nothing["out"] / "checkpoints").glob("*.safetensors")
    arrays = load_file(checkpoint)
    assert all(not array.any() for name, array in arrays.items() if name.startswith("slot/"))
    assert any(np.any(array) for name, array in arrays.items() if name.startswith("value/"))


def test_a_step_that_is_not_finite_is_told_and_changes_nothing(summary):
    exploded = summary(led("explodes"))
    assert exploded["procedure"]["updated"] == [True, False, False]
    assert exploded["skipped"] == 2


def test_the_first_line_names_it(write, dtrain):
    assert ", nothing in steps of 16, on 1 rank" in dtrain("train", write(led("nothing"))).err.splitlines()[0]


def test_the_time_limit_ends_a_procedure_that_asks(summary):
    limited = summary(led("forever") | {"train.time_limit": 0.2})
    assert limited["stopped"] == "time limit of 0.2 s"
    assert np.isfinite(limited["procedure"]["loss"])


@pytest.mark.parametrize("trains", [False, True])
def test_a_signal_ends_it_after_a_checkpoint(trains, write, dtrain, elsewhere):
    before = signal.getsignal(signal.SIGTERM)
    ended = dtrain("train", write(led("killed", trains=trains)), "--out", "out")
    assert ended.code == 143
    assert ended.err.splitlines()[-1] == "interrupted after step 1"
    assert list((elsewhere / "out/checkpoints").glob("*.safetensors"))
    assert signal.getsignal(signal.SIGTERM) == before


MISTAKES = {
    "refuses": "run.toml: [procedure]: not for this run",
    "lr_findr": "run.toml: [procedure]: no plugin provides the procedure 'lr_findr'; did you mean 'lr_finder'?",
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_line_and_leaves_no_folder(name, write, dtrain, elsewhere):
    ended = dtrain("train", write(led(name)), "--out", "out")
    assert ended.code == 2
    assert ended.err.startswith(f"dtrain: {MISTAKES[name]}") or f"\ndtrain: {MISTAKES[name]}" in ended.err
    assert not (elsewhere / "out").exists()


def test_an_option_that_the_optimizer_does_not_have_is_named(write, dtrain):
    ended = dtrain("train", write(led("wrong")), "--out", "out")
    assert ended.code == 1
    assert "ValueError: take_step takes options of the optimizer, ['lr', " in ended.err
    assert "got 'lt'" in ended.err


def test_a_course_shows_nothing_of_the_engine(write, dtrain):
    ended = dtrain("train", write(led("peeks")), "--out", "out")
    assert ended.code == 1
    assert "AttributeError: a course has no attribute 'replica'" in ended.err


def test_a_run_with_a_procedure_cannot_be_resumed(write, dtrain):
    assert dtrain("train", write(led("plain")), "--out", "out").code == 0
    ended = dtrain("train", "--resume", "--out", "out")
    assert (ended.code, ended.err) == (
        2,
        "dtrain: --resume: expected a run without [procedure], got 'plain', which cannot be gone on with; "
        "start it anew with --overwrite\n",
    )
