"""Whole runs by each exchange: which bits they end in, how they go on, and what they refuse."""

from __future__ import annotations

import os
import shutil
import signal

import numpy as np
import pytest

from dtrain.communicator import run_ranks
from dtrain.config import load
from dtrain.errors import CheckpointError, RunError
from dtrain.trainer import checkpoint, train_session
from tests.runs.conftest import points
from tests.runs.test_resume import cut_back, metrics, summary

NETWORK = [
    {"name": "dense", "units": 40, "bias": False},
    {"name": "batch_norm"},
    {"name": "tanh"},
    {"name": "dropout", "rate": 0.1},
    {"name": "dense", "units": 3},
]
OUTER = {
    "name": "local_steps", "interval": 3, "outer_lr": 0.7, "outer_momentum": 0.5, "nesterov": True,
}  # fmt: skip
EXCHANGES = {
    "overlap": "overlap",
    "bf16": "bf16",
    "top_k": {"name": "top_k", "ratio": 0.1},
    "local_steps": {"name": "local_steps", "interval": 3},
    "outer momentum": OUTER,
}


@pytest.fixture
def run(config, elsewhere):
    """run("overlap", 3, {changes}) → the summary of a run on ranks that share no memory."""

    def of(exchange, ranks, changes=None, out=None, resume=False, deaths=None, prepared=None):
        folder = elsewhere / (out or f"run-{len(os.listdir(elsewhere))}")
        tables = config({"network": NETWORK, "train.exchange": exchange, **(changes or {})})
        run_ranks(
            ranks,
            lambda c: train_session(lambda: load(tables), c, folder, resume=resume, prepared=prepared),
            False,
            deaths,
        )
        return summary(folder)

    return of


def weights(done):
    return done["weights_sha256"]


# ---------------------------------------------------------------------- bits

KINDS = {
    "plain": {},
    "accumulate, clip": {"train.accumulate": 3, "train.clip_norm": 0.3},
    "lamb": {"optimizer": {"name": "lamb", "lr": 0.05}},
    "float64": {"train.dtype": "float64"},
}


@pytest.mark.parametrize("changes", KINDS.values(), ids=KINDS)
def test_overlap_ends_in_the_bits_of_exact_on_any_ranks_and_bf16_does_not(run, changes):
    exact = run("exact", 1, changes)
    for ranks, bucket in ((1, 1.0), (2, 1 / 256), (3, 1.0), (5, 1 / 256)):
        done = run({"name": "overlap", "bucket": bucket}, ranks, changes)
        assert [done[key] for key in ("weights_sha256", "train", "validation")] == [
            exact[key] for key in ("weights_sha256", "train", "validation")
        ], ranks
    assert weights(run("bf16", 3, changes)) != weights(exact)


@pytest.mark.parametrize("exchange", EXCHANGES.values(), ids=EXCHANGES)
def test_a_run_can_be_repeated_and_learns(run, exchange, elsewhere):
    first, again = (run(exchange, 3, {"train.epochs": 8}, out=out) for out in ("first", "again"))
    assert weights(first) == weights(again)
    losses = [line["train"]["loss"] for line in metrics(elsewhere / "first")]
    assert losses[-1] < 0.9 * losses[0]


@pytest.mark.parametrize("exchange", ["bf16", "top_k", "local_steps"])
def test_the_number_of_ranks_counts_where_an_exchange_is_not_exact(run, exchange):
    assert len({weights(run(exchange, ranks)) for ranks in (1, 2, 3)}) == 3


def test_what_an_exchange_is_stands_in_the_resolved_config(run, elsewhere):
    run({"name": "top_k", "ratio": 0.1}, 2, out="out")
    train = load(elsewhere / "out" / "config.toml").train
    assert (train.exchange.name, dict(train.exchange.options)) == (
        "top_k",
        {"ratio": 0.1, "bucket": 1.0, "overlap": False},
    )
    run("exact", 1, out="exact")
    assert 'exchange = "exact"' in (elsewhere / "exact" / "config.toml").read_text()


# ---------------------------------------------------------------------- going on


@pytest.mark.parametrize("exchange", EXCHANGES.values(), ids=EXCHANGES)
def test_a_run_goes_on_from_any_checkpoint_on_as_many_ranks(run, exchange, elsewhere):
    changes = {"checkpoint": {"steps": 1, "keep": 100}}
    whole = run(exchange, 3, changes, out="whole")
    steps = [int(p.stem[5:]) for p in sorted((elsewhere / "whole" / "checkpoints").glob("step-*"))]
    assert len(steps) >= 5
    for step in steps[1:3]:
        cut_back(elsewhere / "whole", elsewhere / f"cut-{step}", step)
        again = run(exchange, 3, changes, out=f"cut-{step}", resume=True)
        assert weights(again) == weights(whole), step
        assert metrics(elsewhere / f"cut-{step}") == metrics(elsewhere / "whole")


@pytest.mark.parametrize("exchange", ["bf16", "top_k", "local_steps", "outer momentum"])
def test_without_a_ranks_own_arrays_a_run_goes_on_to_another_end(run, exchange, elsewhere, monkeypatch):
    """A negative control for the test above."""
    exchange = EXCHANGES[exchange]
    changes = {"checkpoint": {"steps": 1, "keep": 100}}
    whole = run(exchange, 3, changes, out="whole")
    cut_back(elsewhere / "whole", elsewhere / "cut", 6)
    monkeypatch.setattr(
        "dtrain.trainer.ranks_own.Saved.mine", lambda self, what: np.zeros(self._replica.layout.size)
    )
    assert weights(run(exchange, 3, changes, out="cut", resume=True)) != weights(whole)


@pytest.mark.parametrize("exchange", EXCHANGES.values(), ids=EXCHANGES)
@pytest.mark.parametrize("ranks", [2, 5])
def test_a_run_goes_on_on_another_number_of_ranks(run, exchange, ranks, elsewhere):
    changes = {"checkpoint": {"steps": 1, "keep": 100}}
    run(exchange, 3, changes, out="whole")
    cut_back(elsewhere / "whole", elsewhere / "cut", 6)
    done = run(exchange, ranks, changes, out="cut", resume=True)
    assert (done["steps"], done["ranks"]) == (12, ranks)
    assert np.isfinite(done["train"]["loss"])


@pytest.mark.parametrize("before", ["exact", "overlap", "bf16", "outer momentum"])
@pytest.mark.parametrize("after", ["exact", "top_k", "outer momentum"])
def test_a_run_goes_on_with_another_exchange(run, before, after, elsewhere):
    run(EXCHANGES.get(before, before), 3, {"train.epochs": 1}, out="out")
    shutil.copytree(elsewhere / "out", elsewhere / "again")
    done = run(EXCHANGES.get(after, after), 2, {"train.epochs": 2}, out="out", resume=True)
    assert done["steps"] == 8
    assert np.isfinite(done["train"]["loss"])
    if before == "overlap" and after == "exact":  # one and the same run
        assert weights(done) == weights(run("exact", 1, {"train.epochs": 2}))


def arrays_of(folder, step):
    return checkpoint.read(folder / "checkpoints" / checkpoint.name_of(step)).arrays


def test_what_was_not_sent_yet_is_not_lost_on_another_number_of_ranks(run, elsewhere):
    """Resumed and saved at once: the residuals of the ranks that there are now make up those that there were."""
    run("top_k", 3, {"train.steps": 4, "train.epochs": None}, out="out")
    before = arrays_of(elsewhere / "out", 4)
    name = "exchange/residual/dense_1.weight"
    every = [before[f"rank/{rank}/{name}"].astype(float) for rank in range(3)]
    assert all(residual.any() for residual in every)
    shutil.rmtree(elsewhere / "out" / "summary.json", ignore_errors=True)
    kept = []

    def keep(trainer):
        trainer.looks.append(
            lambda: kept.append(
                (trainer.communicator.rank, trainer.replica.exchange.slots["residual"].copy())
            )
        )

    run("top_k", 2, {"train.steps": 5, "train.epochs": None}, out="out", resume=True, prepared=keep)
    loaded = {}
    for rank, residual in kept:
        loaded.setdefault(rank, residual)
    assert not loaded[1].any()
    np.testing.assert_allclose(loaded[0][:160].reshape(4, 40), sum(every), rtol=1e-6)


# ---------------------------------------------------------------------- meetings


def test_checkpoints_wait_for_the_next_meeting(run, elsewhere):
    """4 updates an epoch; meetings after 3, 4, 6, 8, 9 and 12."""
    run(EXCHANGES["local_steps"], 2, {"checkpoint": {"steps": 2, "keep": 100}}, out="out")
    names = sorted(path.stem for path in (elsewhere / "out" / "checkpoints").glob("step-*"))
    assert [int(name[5:]) for name in names] == [3, 4, 6, 8, 12]


STOPS = """
    import os, signal
    from dtrain import Callback, hookimpl

    class Sends(Callback):
        \"\"\"Sends a signal to its own process after a step.\"\"\"

        def __init__(self, number: int, step: int):
            self.number, self.step = number, step

        def after_step(self, run):
            if run.step == self.step:
                os.kill(os.getpid(), self.number)

    class Ends(Callback):
        \"\"\"Ends the run after a step.\"\"\"

        def __init__(self, step: int):
            self.step = step

        def after_step(self, run):
            if run.step == self.step:
                run.stop("enough")

    @hookimpl
    def dtrain_callbacks():
        return {"sends": Sends, "ends": Ends}
"""


def test_a_signal_waits_for_the_next_meeting_and_the_run_goes_on_as_if_there_had_been_none(
    acme, write, dtrain, elsewhere
):
    acme(STOPS)
    exchange = {**OUTER, "interval": 5}
    changes = {"train": {"steps": 14, "batch_size": 6, "exchange": exchange}}
    assert dtrain("train", write(changes), "--out", "whole").code == 0
    sends = {**changes, "callback": [{"name": "sends", "number": int(signal.SIGUSR1), "step": 7}]}
    stopped = dtrain("train", write(sends), "--out", "out")
    assert stopped.code == 143
    assert "interrupted after step 10; go on with" in stopped.err
    assert dtrain("train", "--resume", "--out", "out").code == 0
    assert weights(summary(elsewhere / "out")) == weights(summary(elsewhere / "whole"))


def test_ranks_meet_when_a_callback_ends_the_run(acme, run, elsewhere):
    acme(STOPS)
    changes = {"callback": [{"name": "ends", "step": 2}], "train.check_replicas": 1}
    done = run(EXCHANGES["local_steps"], 3, changes)
    assert (done["steps"], done["stopped"]) == (2, "enough")


def test_the_time_limit_waits_for_the_next_meeting(run):
    done = run(EXCHANGES["local_steps"], 2, {"train.time_limit": 1e-9})
    assert done["steps"] == 3


# ---------------------------------------------------------------------- failures

BROKEN = """
    from dtrain import GradientExchange, ValueExchange, hookimpl

    class Own(GradientExchange):
        \"\"\"Every rank keeps its own.\"\"\"

        def total(self, part):
            part.gradient[:] *= part.size
            yield from part.gather(part.gradient)

    class Stays(ValueExchange):
        \"\"\"Every rank stays where it is.\"\"\"

        interval = 2

        def meet(self, part):
            yield from part.gather(part.value)

    @hookimpl
    def dtrain_exchanges():
        return {"own": Own, "stays": Stays}
"""


@pytest.mark.parametrize(("exchange", "step"), [("own", 1), ("stays", 2)])
def test_ranks_that_differ_are_found(acme, run, exchange, step):
    acme(BROKEN)
    with pytest.raises(RunError, match=rf"^step {step} \(epoch 1\): expected the parameter 'dense_1.weight'"):
        run(exchange, 2, {"train.check_replicas": 1})


@pytest.mark.parametrize("exchange", ["top_k", OUTER])
def test_steps_that_are_not_finite_are_skipped_on_all_ranks(run, exchange, elsewhere):
    x, y = points(64)
    x[7] = 3e38  # finite; the sum that the first layer makes of it is not
    np.savez(elsewhere / "huge.npz", x=x.astype(np.float32), y=y)
    data = {"name": "npz", "path": "huge.npz"}
    network = [{"name": "dense", "units": 4, "initializer": "ones"}, "relu", {"name": "dense", "units": 3}]
    changes = {"data": data, "network": network, "optimizer.lr": 1e-3, "train.check_replicas": 1}
    done = run(exchange, 3, {**changes, "train.non_finite": "skip"})
    assert (done["skipped"], done["steps"]) == (3, 9)  # one batch of each epoch
    assert np.isfinite(done["train"]["loss"])


@pytest.mark.parametrize("exchange", ["overlap", "top_k", "local_steps"])
def test_when_a_rank_dies_the_others_go_on_from_the_newest_checkpoint(run, exchange, elsewhere):
    entered = []
    run(
        exchange,
        3,
        {"checkpoint": {"steps": 4}},
        prepared=lambda t: t.looks.append(lambda: entered.append((t.step, t.communicator.entered))),
    )
    late = max(count for step, count in entered if step == 10)
    changes = {"checkpoint": {"steps": 4}}
    done = run(exchange, 3, changes, deaths={1: (late, ())}, out="died")
    assert (done["ranks"], done["steps"]) == (2, 12)
    if exchange == "overlap":
        assert weights(done) == weights(run("exact", 1))


REFUSED = {
    "solver": (
        {"optimizer": {"name": "lbfgs"}, "train.exchange": "overlap"},
        "[train] exchange: expected 'exact' beside the optimizer 'lbfgs', which has to see one function on all ranks, "
        "got 'overlap'; leave exchange out, or take another optimizer",
    ),
    "procedure": (
        {"procedure": {"name": "lr_finder"}, "train.exchange": "local_steps"},
        "[train] exchange: expected an exchange of gradients beside the procedure 'lr_finder', whose steps are those "
        "of all ranks, got 'local_steps'; leave exchange out, or the procedure",
    ),
    "name": (
        {"train.exchange": "topk"},
        "run.toml: [train] exchange: no plugin provides the exchange 'topk'; did you mean 'top_k'?",
    ),
    "ratio": (
        {"train.exchange": {"name": "top_k", "ratio": 2}},
        "run.toml: [train] exchange ratio: expected a number > 0 and ≤ 1, got 2; an option of exchange 'top_k' "
        "from plugin 'dtrain-exchanges' 0.1.0 (distribution dtrain)",
    ),
    "interval": (
        {"train.exchange": {"name": "local_steps", "interval": 0}},
        "run.toml: [train] exchange interval: expected a whole number ≥ 1, got 0; an option of exchange 'local_steps' "
        "from plugin 'dtrain-exchanges' 0.1.0 (distribution dtrain)",
    ),
    "nesterov": (
        {"train.exchange": {"name": "local_steps", "nesterov": True}},
        "run.toml: [train] exchange: exchange 'local_steps': nesterov needs an outer_momentum above 0, got 0",
    ),
    "bucket": (
        {"train.exchange": {"name": "overlap", "bucket": 0}},
        "run.toml: [train] exchange: exchange 'overlap': bucket must be above 0 MiB, got 0",
    ),
}


@pytest.mark.parametrize(("changes", "message"), REFUSED.values(), ids=REFUSED)
def test_what_does_not_fit_is_refused_in_one_line(write, dtrain, changes, message):
    ended = dtrain("train", write(changes), "--out", "out")
    assert (ended.code, ended.err.splitlines()[0][: len(message) + 8]) == (2, f"dtrain: {message}")
    assert len(ended.err.splitlines()) == 1


def test_verify_compares_exact_exchanges_alone(write, dtrain):
    words = ["-n", "1,3", "--steps", "3"]
    ended = dtrain("verify", write({"train.exchange": "bf16"}), *words)
    assert (ended.code, ended.err) == (
        2,
        "dtrain: run.toml: [train] exchange: expected an exchange with the same bits on any number of ranks, for "
        "`dtrain verify` compares these, got 'bf16'; take 'exact', or 'overlap'\n",
    )
    assert dtrain("verify", write({"train.exchange": "overlap"}), *words).code == 0


def test_a_range_test_takes_back_what_an_exchange_has_kept(write, dtrain, elsewhere):
    changes = {"train.exchange": "top_k", "procedure": {"name": "lr_finder", "steps": 10}}
    assert dtrain("train", write(changes), "--out", "out").code == 0
    (last,) = (elsewhere / "out" / "checkpoints").glob("step-*")
    own = {name: a for name, a in checkpoint.read(last).arrays.items() if name.startswith("rank/")}
    assert own
    assert not any(array.any() for array in own.values())


# ---------------------------------------------------------------------- damage


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ranks": 4}, "the network needs 'rank/3/exchange/residual/"),
        ({"ranks": -1}, "expected a checkpoint that dtrain wrote, got a cursor of another kind"),
        ({"arrays": [3]}, "expected a checkpoint that dtrain wrote, got a cursor of another kind"),
        ({"ranks": 0}, None),
        ({"name": "another"}, None),
    ],
)
def test_a_cursor_that_says_something_else_of_ranks_own_arrays(run, elsewhere, change, message):
    run("top_k", 3, {"train.epochs": 1}, out="out")
    path = elsewhere / "out" / "checkpoints" / checkpoint.name_of(4)
    saved = checkpoint.read(path)
    cursor = {key: value for key, value in saved.cursor.items() if key != "format"}
    cursor["exchange"] = cursor["exchange"] | change
    checkpoint.write(path, checkpoint.Checkpoint(saved.arrays, cursor))
    more = {"train.epochs": 2}
    if message is None:
        assert run("top_k", 3, more, out="out", resume=True)["steps"] == 8
        return
    with pytest.raises(CheckpointError) as caught:
        run("top_k", 3, more, out="out", resume=True)
    assert message in str(caught.value)


# ---------------------------------------------------------------------- real processes


def test_on_real_ranks_without_shared_memory(mpirun, write, elsewhere, sha, config):
    environ = {**os.environ, "DTRAIN_SHARED_MEMORY": "0", "OMP_NUM_THREADS": "1"}
    path = write({"network": NETWORK})

    def trained(exchange):
        out = elsewhere / f"out-{exchange}"
        words = ["-m", "dtrain", "train", path, "--out", str(out), "--set", f"train.exchange={exchange}"]
        finished = mpirun(2, words, environ=environ)
        assert finished.code == 0, finished.output
        return weights(summary(out))

    exact = sha(config({"network": NETWORK}))
    found = {exchange: trained(exchange) for exchange in ("overlap", "bf16", "top_k", "local_steps")}
    assert found.pop("overlap") == exact
    assert exact not in found.values()
    for exchange, there in found.items():  # threads of one process move the same numbers
        tables = config({"network": NETWORK, "train.exchange": exchange})
        assert there == sha(tables, 2)
