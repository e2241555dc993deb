"""What a run remembers of its data, and what that does to data that it meets later."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest

import dtrain as package
from dtrain.communicator import SerialCommunicator, run_ranks
from dtrain.errors import ConfigError, DataError
from dtrain.inference import Wanted, evaluate_run, predict_run
from dtrain.trainer.checkpoint import read
from tests.inference.conftest import NETWORK
from tests.support import refused

TABLE = """
    import json
    from pathlib import Path

    import numpy as np
    from dtrain import ArrayRows, Dataset, Schema, hookimpl

    class Table(Dataset):
        def __init__(self, path: Path):
            table = json.loads(path.read_text())
            names, classes = table["columns"], sorted(set(table["kind"]))
            x = np.array(table["x"])
            self.schema = Schema(tuple(names), ("kind",), tuple(classes), "class")
            self.train = ArrayRows(x, np.array([classes.index(kind) for kind in table["kind"]]))

    @hookimpl
    def dtrain_datasets():
        return {"json_table": Table}
"""
"""A stranger's dataset that has names for columns and classes."""

KINDS = ["cat", "dog", "fox"]
UNKNOWN = "expected the classes of training, 'cat', 'dog', 'fox', got '{}' too; correct its rows, or train a new run"


@pytest.fixture
def named(acme, trained, elsewhere):
    """A run on a table of two columns and three classes, which it learns without a mistake; and a way to write one."""
    acme(TABLE)
    random = np.random.default_rng(0)
    kind = [KINDS[i % 3] for i in range(60)]
    x = np.array([[[0, 0], [4, 0], [0, 4]][i % 3] for i in range(60)]) + random.normal(size=(60, 2)) / 4

    def write(name="table.json", columns=("a", "b"), rows=slice(None), kinds=None):
        table = {"columns": list(columns), "x": x[rows].tolist(), "kind": (kinds or kind)[rows]}
        if columns[0] == "b":
            table["x"] = x[rows][:, ::-1].tolist()
        Path(name).write_text(json.dumps(table))

    write()
    network = [{"name": "dense", "units": 3}]
    changes = {"data": {"name": "json_table", "path": "table.json"}, "network": network, "optimizer.lr": 0.3}
    folder = trained({**changes, "train.epochs": 20})
    return folder, write, x, kind


def accuracy(folder, *overrides, split=None, ranks=1):
    found = run_ranks(ranks, lambda c: evaluate_run(c, folder, split=split, overrides=overrides))
    assert len({(f.figures["accuracy"], f.samples, f.split) for f in found}) == 1
    return found[0].figures["accuracy"], found[0].samples, found[0].split


def test_the_names_stand_in_the_run_folder_and_in_the_checkpoint(named):
    folder = named[0]
    record = json.loads((folder / "data.json").read_text())
    schema = {"features": ["a", "b"], "targets": ["kind"], "classes": KINDS, "target_kind": "class"}
    assert record["schema"] == schema
    assert (record["train"]["rows"], record["validation"]) == (60, None)
    (last, *_) = sorted(folder.glob("checkpoints/step-*"), reverse=True)
    assert read(last).cursor["data"] == record
    model = package.load(folder)
    assert (model.classes, model.features) == (tuple(KINDS), ("a", "b"))


@pytest.mark.parametrize("ranks", [1, 2])
def test_a_file_without_one_of_the_classes_keeps_their_numbers(named, ranks):
    folder, _, x, kind = named
    keep = [i for i in range(60) if i % 3]
    table = {"columns": ["a", "b"], "x": x[keep].tolist(), "kind": [kind[i] for i in keep]}
    Path("test.json").write_text(json.dumps(table))
    assert accuracy(folder, "data.path=test.json", ranks=ranks) == (1.0, 40, "all")


def test_columns_go_by_their_names(named):
    folder, write, *_ = named
    write("swapped.json", ("b", "a"))
    assert accuracy(folder, "data.path=swapped.json") == (1.0, 60, "all")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"columns": ("x", "b")},
            "expected the columns of training, got 'x', 'b' without 'a'; rename or add the column",
        ),
        ({"kinds": ["ant"] * 3 + KINDS * 19}, UNKNOWN.format("ant")),
    ],
)  # fmt: skip
def test_names_that_training_had_not_are_refused(named, change, message):
    folder, write, *_ = named
    write("other.json", **change)
    where = f"{folder}/config.toml: [data]"
    with refused(DataError, f"{where}: {message}"):
        evaluate_run(SerialCommunicator(), folder, overrides=["data.path=other.json"])


def test_a_data_frame_and_class_names_are_taken_by_name(named):
    folder, _, x, kind = named

    class Frame:
        """As much of a data frame as NumPy needs."""

        def __init__(self, values, columns):
            self.values, self.columns = values, columns

        def __array__(self, dtype=None, copy=None):
            return np.asarray(self.values, dtype)

    model = package.load(folder)
    by_place, by_name = model.predict(x), model.predict(Frame(x[:, ::-1], ["b", "a"]))
    np.testing.assert_array_equal(by_place, by_name)
    assert model.evaluate(x, kind) == model.evaluate(x, np.arange(60) % 3)
    assert model.evaluate(x[40:], kind[40:])["accuracy"] == 1
    with refused(DataError, "x: expected the columns of training, 'a', 'b', got 'c' too; leave it out"):
        model.predict(Frame(np.ones((1, 3)), ["b", "a", "c"]))
    with refused(DataError, f"y: {UNKNOWN.format('ant')}"):
        model.evaluate(x, ["ant", *kind[1:]])
    with refused(DataError, "y: expected a target for each sample, got a single one"):
        model.evaluate(x, "cat")
    assert model.evaluate(x, np.eye(3)[np.arange(60) % 3]) == model.evaluate(x, kind)
    with refused(
        DataError,
        "given samples: [loss] softmax_cross_entropy: expected classes 0 to 2, one for each output of the network, but "
        "the target holds 3; correct the data, or give the last layer more units",
    ):
        model.evaluate(x, np.full(60, 3))


def test_predictions_say_which_column_is_which_class(named, capsys):
    from dtrain.cli.main import main

    folder, _, x, _ = named
    np.save("X.npy", x)
    assert main(["predict", str(folder), "--input", "X.npy", "--output", "Y.npy"]) == 0
    assert capsys.readouterr().out.splitlines()[1] == "columns: cat, dog, fox"
    done = predict_run(
        SerialCommunicator(), folder, Wanted(Path("Z.npy"), input=Path("X.npy"), layer="dense_1")
    )
    assert done.classes == ()


def test_text_has_the_classes_for_a_header_unless_columns_are_no_classes(named):
    folder, _, x, _ = named
    np.save("X.npy", x)
    for layer, header in ((None, "cat,dog,fox"), ("dense_1", "0,1,2")):
        wanted = Wanted(Path("Y.csv"), input=Path("X.npy"), layer=layer, overwrite=True)
        predict_run(SerialCommunicator(), folder, wanted)
        assert Path("Y.csv").read_text().splitlines()[0] == header


def test_a_model_that_was_pickled_knows_columns_and_classes(named):
    folder, _, x, kind = named
    model = package.load(folder)
    other = pickle.loads(pickle.dumps(model))
    assert (other.classes, other.features) == (model.classes, model.features) == (tuple(KINDS), ("a", "b"))
    assert other.evaluate(x, kind) == model.evaluate(x, kind)


def test_a_resumed_run_keeps_the_classes_and_columns(named, on_ranks, config):
    folder, write, *_ = named
    tables = json.loads(json.dumps(_tables(config, 21)))
    write(columns=("b", "a"))  # the same table, its columns in another order
    (result,) = on_ranks(1, tables, folder, resume=True)
    assert result.train["accuracy"] == 1
    write(kinds=["wolf" if i % 3 == 0 else KINDS[i % 3] for i in range(60)])
    with pytest.raises(DataError) as raised:
        on_ranks(1, _tables(config, 22), folder, resume=True)
    assert str(raised.value) == f"[data]: {UNKNOWN.format('wolf')}"
    assert json.loads((folder / "data.json").read_text())["schema"]["classes"] == KINDS


def _tables(config, epochs):
    return config(
        {
            "data": {"name": "json_table", "path": "table.json"},
            "network": [{"name": "dense", "units": 3}],
            "optimizer.lr": 0.3,
            "train.epochs": epochs,
        }
    )


# ---------------------------------------------------------------------- content and order


def reorder(**changes):
    arrays = dict(np.load("points.npz"))
    order = np.random.default_rng(3).permutation(len(arrays["x"]))
    np.savez("points.npz", **{name: array[order] for name, array in arrays.items()} | changes)


@pytest.mark.parametrize("split", [None, "validation", "train"])
def test_held_out_samples_of_rows_in_another_order_are_not_known(trained, split):
    folder = trained()
    reorder()
    message = (
        f"{folder}/config.toml: [data]: expected the data that the run was trained on, got the same samples in another "
        "order: it is not known which of them were held out; take all samples with --split all"
    )
    with refused(DataError, message):
        evaluate_run(SerialCommunicator(), folder, split=split)
    with refused(DataError, message):
        predict_run(SerialCommunicator(), folder, Wanted(Path("Y.npy"), split=split))
    assert not Path("Y.npy").exists()


def test_all_samples_of_changed_data_are_evaluated_with_a_warning(trained):
    folder = trained()
    before = evaluate_run(SerialCommunicator(), folder, split="all")
    assert before.warnings == []
    reorder()
    after = evaluate_run(SerialCommunicator(), folder, split="all")
    assert after.figures["accuracy"] == before.figures["accuracy"]
    assert after.warnings == [
        f"{folder}/config.toml: [data]: the data have changed since the training: got the same samples in another order"
    ]


def test_samples_to_validate_on_of_their_own_stay_known_if_the_others_change(trained):
    x, y = np.load("points.npz")["x"], np.load("points.npz")["y"]
    np.savez("points.npz", x=x[:60], y=y[:60], x_validation=x[60:], y_validation=y[60:])
    folder = trained({"data.validation": 0.0})
    before = evaluate_run(SerialCommunicator(), folder)
    np.savez("points.npz", x=x[:50], y=y[:50], x_validation=x[60:], y_validation=y[60:])
    after = evaluate_run(SerialCommunicator(), folder)
    assert (after.figures, after.warnings) == (before.figures, [])
    np.savez("points.npz", x=x[:60], y=y[:60], x_validation=x[61:], y_validation=y[61:])
    assert evaluate_run(SerialCommunicator(), folder).warnings == [
        f"{folder}/config.toml: [data]: the data have changed since the training: got 19 instead of 20 samples"
    ]


def test_a_file_that_is_named_is_evaluated_whole(trained):
    folder = trained()
    x, y = np.load("points.npz")["x"], np.load("points.npz")["y"]
    np.savez("other.npz", x=x[:31], y=y[:31])
    found = evaluate_run(SerialCommunicator(), folder, overrides=["data.path=other.npz"])
    assert (found.samples, found.split, found.warnings) == (31, "all", [])
    done = predict_run(SerialCommunicator(), folder, Wanted(Path("Y.npy"), overrides=["data.path=other.npz"]))
    assert done.shape == (31, 3)


def test_held_out_samples_of_another_file_are_those_of_the_run_or_refused(trained):
    folder = trained()
    own = evaluate_run(SerialCommunicator(), folder)
    arrays = dict(np.load("points.npz"))
    np.savez("moved.npz", **arrays)
    moved = evaluate_run(SerialCommunicator(), folder, split="validation", overrides=["data.path=moved.npz"])
    assert (moved.figures, moved.samples) == (own.figures, 20)
    arrays["x"] = arrays["x"] + 1
    np.savez("moved.npz", **arrays)
    with refused(
        DataError,
        f"{folder}/config.toml: [data]: expected the data that the run was trained on, got as many samples of other "
        "content: it is not known which of them were held out; take all samples with --split all",
    ):
        evaluate_run(SerialCommunicator(), folder, split="train", overrides=["data.path=moved.npz"])


def test_samples_are_held_out_as_in_training_or_not_at_all(trained):
    folder = trained()
    changes = ["data.validation=0.5"]
    assert evaluate_run(SerialCommunicator(), folder, overrides=changes).split == "all"
    with refused(
        ConfigError,
        f"{folder}/config.toml: [data] validation: expected 0.25, with which the run held samples out, got 0.5; "
        "leave it as it was, or take all samples with --split all",
    ):
        evaluate_run(SerialCommunicator(), folder, split="validation", overrides=changes)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda: reorder(), "got the same samples in another order"),
        (lambda: reorder(x=np.load("points.npz")["x"] + 1), "got as many samples of other content"),
    ],
)
@pytest.mark.parametrize("ranks", [1, 2])
def test_a_run_goes_on_with_its_own_data_alone(trained, config, on_ranks, change, said, ranks):
    folder = trained()
    before = (folder / "metrics.jsonl").read_text()
    change()
    tables = config({"network": NETWORK, "train.epochs": 5})
    with pytest.raises(DataError) as raised:
        on_ranks(ranks, tables, folder, resume=True)
    assert str(raised.value) == (
        f"[data]: expected the data that the run was trained on, {said}; bring them back, or start a new run"
    )
    assert (folder / "metrics.jsonl").read_text() == before


# ---------------------------------------------------------------------- images and numbers


def test_images_and_numbers_are_not_taken_for_each_other(trained):
    x, y = np.load("points.npz")["x"], np.load("points.npz")["y"]
    pixels = np.clip(40 * x + 128, 0, 255).astype(np.uint8)
    np.savez("points.npz", x=pixels, y=y)
    folder = trained()
    np.savez("same.npz", x=pixels.astype(np.int64), y=y)
    np.save("X.npy", pixels.astype(np.int64))
    model, where = package.load(folder), f"{folder}/config.toml: [data]"
    line = "expected dtype uint8, as in training, got int64; uint8 is scaled to [0, 1], other dtypes are not"
    with refused(DataError, f"{where}: {line}"):
        evaluate_run(SerialCommunicator(), folder, overrides=["data.path=same.npz"])
    with refused(DataError, f"X.npy: {line}"):
        predict_run(SerialCommunicator(), folder, Wanted(Path("Y.npy"), input=Path("X.npy")))
    for call in (model.predict, model.forward, lambda x: model.evaluate(x, y)):
        with refused(DataError, f"x: {line}"):
            call(pixels.astype(np.int64))
    assert model.evaluate(pixels, y)["accuracy"] > 0.5


def test_numbers_are_not_scaled_like_images(trained):
    model = package.load(trained())
    with refused(
        DataError,
        "x: expected dtype float64, as in training, got uint8; uint8 is scaled to [0, 1], other dtypes are not",
    ):
        model.predict(np.zeros((1, 4), np.uint8))


# ---------------------------------------------------------------------- files to predict for


def test_a_table_is_predicted_for_by_its_columns_with_or_without_the_target(trained, dtrain):
    x, y = np.load("points.npz")["x"], np.load("points.npz")["y"]
    names, kinds = ["a", "b", "c", "d"], np.array(KINDS)[y]
    lines = [",".join([*map(str, row), kind]) for row, kind in zip(x.tolist(), kinds, strict=True)]
    Path("table.csv").write_text("\n".join([",".join([*names, "kind"]), *lines]))
    folder = trained(
        {"data": {"name": "csv", "path": "table.csv", "target": "kind"}, "train.dtype": "float64"}
    )
    expected = package.load(folder).predict(x)
    without = ["id,d,c,b,a", *(f"nr{i},{d},{c},{b},{a}" for i, (a, b, c, d) in enumerate(x.tolist()))]
    Path("without.csv").write_text("\n".join(without))
    for name in ("table.csv", "without.csv"):
        said = dtrain("predict", folder, "--input", name, "--output", "Y.csv", "--overwrite")
        assert (said.code, said.err) == (0, "")
        assert Path("Y.csv").read_text().splitlines()[0] == "cat,dog,fox"
        np.testing.assert_array_equal(np.loadtxt("Y.csv", delimiter=",", skiprows=1), expected)
    Path("without.csv").write_text("a,b,c\n1,2,3\n")
    said = dtrain("predict", folder, "--input", "without.csv", "--output", "Z.csv")
    assert (said.code, said.out) == (2, "")
    assert said.err == (
        f"dtrain: {folder}/config.toml: [data]: {Path('without.csv').absolute()}: expected the columns of training, "
        "got 'a', 'b', 'c' without 'd'; rename or add the column\n"
    )
    assert not Path("Z.csv").exists()


def test_a_run_on_a_dataset_without_a_file_is_asked_by_npy(named, acme, dtrain):
    folder = named[0]
    config = folder / "config.toml"
    config.write_text(config.read_text().replace("path = ", "of = "))
    said = dtrain("predict", folder, "--input", "X.csv", "--output", "Y.npy")
    assert said.code == 2
    assert (
        said.err
        == "dtrain: X.csv: expected a .npy file, the only kind for a run on the dataset 'json_table'\n"
    )
