"""Ranks that hold something else than the others: found, and the first tensor named."""

from __future__ import annotations

import numpy as np
import pytest

from dtrain.communicator import run_ranks
from dtrain.config import load
from dtrain.errors import RunError
from dtrain.registry import Registry
from dtrain.trainer import train_session
from tests.support import MEMORY
from tests.verification.broken import CODE

NETWORK = [
    {"name": "dense", "units": 5},
    {"name": "batch_norm"},
    {"name": "residual", "layers": [{"name": "dense", "units": 5, "id": "inner"}, "tanh"]},
    {"name": "dense", "units": 3},
]
ADVICE = (
    "what crosses rows goes through the context (context.sum(x) instead of x.sum(axis=0)), running statistics "
    "through context.update, and no part has random numbers, a clock or a state of its own; checkpoints written "
    "before, if any, are good: --resume goes on from the last"
)
MEAN = "the running statistic 'batch_norm_1.mean' of layer 'batch_norm_1' (layer 'batch_norm' from {origin})"


@pytest.fixture
def run(config, elsewhere):
    """run(2, spoil, {changes}) trains; spoil(trainer) is called after every step, on each rank."""

    def of(ranks, spoil, changes=None, share_memory=False):
        tables = config({"network": NETWORK, "train.check_replicas": 2, **(changes or {})})

        def prepared(trainer):
            trainer.looks.insert(0, lambda: spoil(trainer))

        return run_ranks(
            ranks,
            lambda communicator: train_session(
                lambda: load(tables), communicator, elsewhere / "out", overwrite=True, prepared=prepared
            ),
            share_memory,
        )

    return of


def on(rank, step, do):
    """Does something on one rank after one step."""

    def spoil(trainer):
        if trainer.communicator.rank == rank and trainer.step == step:
            do(trainer)

    return spoil


def spoil_state(trainer):
    state = next(s for s in trainer.replica.network.states if s.name == "batch_norm_1.mean")
    state.value = np.where(np.arange(5) == 3, state.value + 2.0**-10, state.value)


def nothing(trainer):
    pass


@MEMORY
def test_a_running_statistic_of_one_rank_is_named(run, elsewhere, share_memory):
    with pytest.raises(RunError) as caught:
        run(3, on(1, 5, spoil_state), share_memory=share_memory)
    origin = _origin("batch_norm")
    message = str(caught.value)
    assert message.startswith(
        f"step 6 (epoch 2): expected {MEAN.format(origin=origin)} the same on all ranks, got another on rank 1 "
        "than on rank 0: 1 of 5 numbers by up to "
    )
    assert message.endswith(f"; {ADVICE}")
    assert caught.value.everywhere
    names = sorted(path.name for path in (elsewhere / "out" / "checkpoints").iterdir())
    assert names == ["best.safetensors"]  # of the first epoch, which was sound


def test_every_rank_that_differs_is_told_with_its_size(run):
    name = "residual_1.inner.bias"

    def spoil(trainer):
        if trainer.communicator.rank > 1 and trainer.step == 2:
            (parameter,) = (p for p in trainer.replica.network.parameters if p.name == name)
            parameter.value[...] = trainer.communicator.rank

    with pytest.raises(RunError) as caught:
        run(4, spoil)
    assert f"expected the parameter {name!r} of layer {name.rsplit('.', 1)[0]!r} (layer 'dense' from" in str(
        caught.value
    )
    assert "got another on ranks 2-3 than on rank 0; rank 2: 5 of 5 numbers by up to 2" in str(caught.value)


def test_the_first_of_several_in_the_order_of_the_network_is_named(run):
    def spoil(trainer):
        for parameter in trainer.replica.network.parameters[2:]:
            parameter.value[...] += 1
        spoil_state(trainer)

    with pytest.raises(RunError, match="expected the parameter 'batch_norm_1"):
        run(2, on(1, 4, spoil))


@pytest.mark.parametrize("what", ["lr", "stop"])
def test_decisions_are_compared(run, what):
    def drive(trainer):
        trainer.job.optimizer.lr = 0.5

    def stop(trainer):
        trainer.stop("enough")

    spoil, name, text = {
        "lr": (drive, "the option 'lr' of the optimizer", "0.5 instead of 0.05"),
        "stop": (stop, "the reason to stop", '"enough" instead of null'),
    }[what]
    with pytest.raises(RunError) as caught:
        run(2, on(1, 4, spoil), {"train.check_replicas": 0}, share_memory=True)
    assert str(caught.value) == (
        f"step 4 (epoch 1): expected {name} the same on all ranks, got another on rank 1 than on rank 0: {text}; "
        f"{ADVICE}"
    )


def test_an_array_of_another_shape_or_dtype_is_told(run):
    def spoil(trainer):
        trainer.replica.network.states[0].value = np.zeros(4, np.float32)

    with pytest.raises(RunError, match=r"than on rank 0: \(4,\) of <f4 instead of \(5,\) of <f8; "):
        run(2, on(1, 2, spoil))


def test_between_two_comparisons_a_checkpoint_asks(run, elsewhere):
    with pytest.raises(RunError, match=r"^step 4 \(epoch 1\): expected the running statistic"):
        run(2, on(1, 3, spoil_state), {"train.check_replicas": 0})
    assert not list((elsewhere / "out" / "checkpoints").iterdir())


@MEMORY
def test_sound_ranks_are_not_bothered(run, share_memory):
    one, three = run(1, nothing)[0], run(3, nothing, share_memory=share_memory)[0]
    assert three.summary["weights_sha256"] == one.summary["weights_sha256"]


def test_one_rank_compares_nothing(run):
    run(1, on(0, 2, spoil_state))


def test_the_command_ends_with_1_and_one_line_that_names_the_plugin(acme, write, dtrain, elsewhere):
    acme(CODE)
    path = write(
        {"network": [{"name": "own_rows"}, {"name": "dense", "units": 3}], "train.check_replicas": 1}
    )
    ended = dtrain("debug", path, "-n", "3", "--out", "out")
    assert ended.code == 1
    assert ended.err.splitlines()[-1].startswith(
        "dtrain: step 1 (epoch 1): expected the running statistic 'own_rows_1.mean' of layer 'own_rows_1' (layer "
        "'own_rows' from plugin 'acme' 1.2 (distribution acme-dtrain)) the same on all ranks, got another on ranks 1-2 "
        "than on rank 0; rank 1: 4 of 4 numbers by up to "
    )
    assert not (elsewhere / "out").exists()


def _origin(layer):
    return Registry.load().entry("layers", layer).origin
