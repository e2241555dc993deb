"""A run's figures afterwards: those of its end, every sample once, whatever the ranks."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from dtrain.communicator import SerialCommunicator, run_ranks
from dtrain.errors import CheckpointError, ConfigError, DataError
from dtrain.inference import evaluate_run, load_model
from dtrain.trainer import checkpoint
from tests.support import MEMORY, refused


def evaluated(folder, ranks=1, share_memory=True, **options):
    return run_ranks(ranks, lambda c: evaluate_run(c, folder, **options), share_memory)


def ended(folder):
    return json.loads((folder / "summary.json").read_text())


@MEMORY
@pytest.mark.parametrize("held_out", [0.25, 0.2375, 0.0375], ids=["20", "19", "3"])
def test_the_figures_are_those_of_the_end_on_any_number_of_ranks(held_out, share_memory, trained):
    folder = trained({"data.validation": held_out})
    for ranks in (1, 2, 3, 5):
        for found in evaluated(folder, ranks, share_memory):
            assert found.figures == ended(folder)["validation"]
            assert (found.split, found.samples) == ("validation", round(80 * held_out))
            assert (found.checkpoint, found.warnings) == (
                folder / "checkpoints" / checkpoint.name_of(found.step),
                [],
            )


def by_hand(model, x, y):
    """The network's loss and accuracy in float64, straight from its arrays."""
    p = {name: value.astype(float) for name, value in (model.parameters | model.states).items()}
    h = x @ p["code.weight"] + p["code.bias"]
    h = (h - p["batch_norm_1.mean"]) / np.sqrt(p["batch_norm_1.variance"] + 1e-5)
    h = np.tanh(h * p["batch_norm_1.gamma"] + p["batch_norm_1.beta"])
    h = h @ p["dense_2.weight"] + p["dense_2.bias"]
    losses = np.log(np.exp(h).sum(axis=1)) - h[np.arange(len(y)), y]
    return {"loss": losses.mean(), "accuracy": (h.argmax(axis=1) == y).mean()}


def test_they_are_what_the_formulas_give_for_every_sample_once(trained):
    folder = trained()
    arrays = np.load("points.npz")
    x, y = arrays["x"], arrays["y"]
    (found,) = evaluated(folder, split="all")
    truth = by_hand(load_model(folder), x, y)
    assert found.samples == 80
    assert found.figures["loss"] == pytest.approx(truth["loss"], rel=1e-5)
    assert found.figures["accuracy"] == truth["accuracy"]
    padded = by_hand(load_model(folder), np.concatenate([x, x[:16]]), np.concatenate([y, y[:16]]))
    assert found.figures["loss"] != pytest.approx(padded["loss"], rel=1e-5)  # samples twice would show


def test_the_splits_make_up_all_samples(trained):
    folder = trained()
    found = {split: evaluated(folder, split=split)[0] for split in ("train", "validation", "all")}
    assert [e.samples for e in found.values()] == [60, 20, 80]
    weighed = [found[s].figures["loss"] * found[s].samples for s in ("train", "validation")]
    assert sum(weighed) / 80 == pytest.approx(found["all"].figures["loss"], rel=1e-6)


def test_weights_that_early_stopping_restored_are_the_ones_evaluated(trained):
    stopping = [{"name": "early_stopping", "patience": 1}]
    folder = trained({"callback": stopping, "train.epochs": 30, "optimizer.lr": 0.9})
    assert ended(folder)["stopped"]
    assert evaluated(folder)[0].figures == ended(folder)["validation"]


@pytest.mark.parametrize("changes", [{"train.dtype": "float64"}, {"train.shards": "ranks"}], ids=str)
def test_the_runs_dtype_and_shards_are_kept(changes, trained):
    folder = trained(changes)
    assert evaluated(folder)[0].figures == ended(folder)["validation"]


def test_other_data_other_metrics(trained):
    folder = trained()
    x, y = (np.load("points.npz")[name][:7] for name in ("x", "y"))
    np.savez("other.npz", x=x, y=y)
    changes = ["data.path='other.npz'", "train.metrics=['perplexity']"]
    (found,) = evaluated(folder, split="all", overrides=changes)
    assert (found.samples, found.warnings) == (7, [])
    truth = by_hand(load_model(folder), x, y)
    assert found.figures == {
        "loss": pytest.approx(truth["loss"], rel=1e-5),
        "perplexity": pytest.approx(np.exp(truth["loss"]), rel=1e-5),
    }


# ---------------------------------------------------------------------- which checkpoint


def damage(path):
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)


def test_a_damaged_checkpoint_gives_way_to_the_one_before(trained):
    folder = trained({"checkpoint.steps": 4})
    steps = sorted(folder.glob("checkpoints/step-*"))
    (before,) = evaluated(folder, checkpoint="8")
    damage(steps[-1])
    for found in evaluated(folder, 2):
        assert found.figures == before.figures
        assert (found.checkpoint, found.step) == (steps[-2], 8)
        assert found.warnings == [
            f"{steps[-1]}: expected a checkpoint, got a damaged file (its checksum differs); taking the one before"
        ]


def test_a_run_that_was_interrupted_has_figures(trained):
    folder = trained({"checkpoint.steps": 1, "checkpoint.keep": 9})
    for name in ("step-0000000012", "step-0000000011", "best"):
        (folder / "checkpoints" / f"{name}.safetensors").unlink()
    (folder / "summary.json").unlink()
    (found,) = evaluated(folder)
    assert found.step == 10
    assert 0 < found.figures["loss"] < 5


def test_best_is_the_epoch_of_the_lowest_validation_loss(trained):
    folder = trained({"train.epochs": 8, "optimizer.lr": 0.9})
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    best = min((line["validation"] for line in lines), key=lambda figures: figures["loss"])
    assert evaluated(folder, checkpoint="best")[0].figures == best
    assert evaluated(folder)[0].figures == lines[-1]["validation"] != best


@pytest.mark.parametrize("name", ["12", "step-0000000012", "step-0000000012.safetensors"])
def test_a_checkpoint_is_named_by_its_step_or_its_file(name, trained):
    assert evaluated(trained(), checkpoint=name)[0].step == 12


# ---------------------------------------------------------------------- mistakes


def serial(folder, **options):
    return evaluate_run(SerialCommunicator(), folder, **options)


def test_a_folder_that_holds_no_run_is_refused(elsewhere):
    (elsewhere / "empty").mkdir()
    found = {"none": "nothing", "points.npz": "a file", "empty": "a folder without config.toml"}
    for name, got in found.items():
        message = f"{elsewhere / name}: expected the folder of a run, got {got}"
        with refused(ConfigError, message):
            serial(elsewhere / name)


def test_a_run_without_a_whole_checkpoint_is_refused(trained):
    folder = trained()
    for path in folder.glob("checkpoints/*"):
        path.unlink()
    with refused(
        CheckpointError,
        f"{folder}/checkpoints: expected a checkpoint, got none that is whole; "
        "train on with `dtrain train --resume`, or take another run",
    ):
        serial(folder)


def test_a_checkpoint_that_is_not_there_is_refused(trained):
    folder = trained()
    with refused(
        CheckpointError,
        f"{folder}/checkpoints: expected 'last', 'best', or the name or step of a checkpoint, got '7'; "
        "there are 'best.safetensors', 'step-0000000012.safetensors'",
    ):
        serial(folder, checkpoint="7")


def test_a_run_without_validation_samples_says_so(trained):
    folder = trained({"data.validation": 0.0})
    with refused(
        ConfigError,
        f"{folder}/config.toml: [data]: expected validation samples, got none; "
        "take others by --split train or all",
    ):
        serial(folder)
    assert serial(folder, split="train").samples == 80


def test_samples_of_another_shape_are_refused(trained):
    folder = trained()
    np.savez("other.npz", x=np.zeros((9, 5)), y=np.zeros(9, int))
    with refused(DataError, f"{folder}/config.toml: [data]: expected samples of shape (4,), got (5,)"):
        serial(folder, split="all", overrides=["data.path='other.npz'"])


def test_targets_that_do_not_fit_are_refused(trained):
    folder = trained()
    np.savez("other.npz", x=np.zeros((9, 4)), y=np.full(9, 3))
    with pytest.raises(DataError, match=r"^all samples: .*3"):
        serial(folder, split="all", overrides=["data.path='other.npz'"])


def test_more_ranks_than_shards_are_refused_on_all_of_them_alike(trained):
    folder = trained({"train.shards": 2})

    def rank(communicator):
        with pytest.raises(ConfigError, match="start at most 2 ranks") as caught:
            evaluate_run(communicator, folder)
        return caught.value.everywhere

    assert run_ranks(3, rank) == [True] * 3


def test_samples_that_are_not_finite_are_told_by_all_ranks(trained):
    arrays = np.load("points.npz")
    x = arrays["x"].copy()
    np.save("x.npy", x)
    np.save("y.npy", arrays["y"])
    folder = trained({"data": {"name": "npy", "x": "x.npy", "y": "y.npy"}})
    x[70] = np.nan
    np.save("x.npy", x)

    def rank(communicator):
        message = "[data]: x of sample 70 is not finite; clean the data (one of the all samples)"
        with refused(DataError, message):
            evaluate_run(communicator, folder, split="all")

    run_ranks(3, rank)


def test_a_run_may_be_moved(trained, elsewhere):
    folder = trained()
    before = evaluated(folder)[0].figures
    shutil.move(folder, elsewhere / "moved")
    assert evaluated(elsewhere / "moved")[0].figures == before
