"""Predictions into files: in the order of the input, the same bits from any number of ranks, whole or not there."""

from __future__ import annotations

import errno
import os
import pickle
from pathlib import Path

import numpy as np
import pytest

import dtrain
from dtrain.communicator import SerialCommunicator, run_ranks
from dtrain.errors import ConfigError, DataError, UserError
from dtrain.inference import Wanted, csv_output, predict_run
from dtrain.inference.predictor import Predictor
from dtrain.inference.trained import load_trained
from tests.support import MEMORY, assert_other_bits, assert_same_bits, refused

X = np.random.default_rng(3).standard_normal((1400, 4)).astype(np.float32)


def predicted(folder, ranks=1, share_memory=True, **wanted):
    wanted.setdefault("output", Path("Y.npy"))
    if "split" not in wanted:
        wanted.setdefault("input", Path("X.npy"))
    return run_ranks(ranks, lambda c: predict_run(c, folder, Wanted(**wanted)), share_memory)[0]


def files():
    return sorted(name for name in os.listdir() if name.lstrip(".")[0] in "YS")


@MEMORY
@pytest.mark.parametrize("rows", [1400, 256, 3, 0])
def test_every_number_of_ranks_writes_what_the_model_predicts(rows, share_memory, trained):
    folder = trained()
    np.save("X.npy", X[:rows])
    expected = dtrain.load(folder).predict(X[:rows])
    for ranks in (1, 2, 3, 5):
        done = predicted(folder, ranks, share_memory, overwrite=True)
        assert_same_bits(np.load("Y.npy", allow_pickle=False), expected)
        assert (done.shape, done.dtype, done.step, done.warnings) == ((rows, 3), "float32", 12, [])
    assert files() == ["Y.npy"]


@MEMORY
def test_draws_are_the_same_on_every_number_of_ranks(share_memory, trained):
    folder = trained()
    np.save("X.npy", X)
    mean, spread = dtrain.load(folder).predict(X, draws=3)
    for ranks in (1, 2, 3, 5):
        wanted = {"spread": Path("S.npy"), "draws": 3, "overwrite": True}
        predicted(folder, ranks, share_memory, **wanted)
        assert_same_bits(np.load("Y.npy"), mean)
        assert_same_bits(np.load("S.npy"), spread)
    parts = [dtrain.load(folder).predict(part, draws=3)[0] for part in (X[:32], X[32:])]
    assert_other_bits(np.concatenate(parts), mean)  # a mask that forgot where its sample lies would not show


def test_a_mean_may_be_had_without_its_spread(trained):
    folder = trained()
    np.save("X.npy", X)
    predicted(folder, draws=2)
    assert_same_bits(np.load("Y.npy"), dtrain.load(folder).predict(X, draws=2)[0])


class Watched:
    """Rows that note which of them were read."""

    whole, shape = True, (4,)

    def __init__(self):
        self.read = []

    def __len__(self):
        return len(X)

    def rows(self, indices):
        self.read += indices.tolist()
        return X[indices], None


@pytest.mark.parametrize("ranks", [1, 3, 5])
def test_a_rank_reads_its_own_rows_alone(ranks, trained):
    folder = trained()

    def rank(communicator):
        rows = Watched()
        found = [where for where, _ in Predictor(load_trained(communicator, folder)).blocks(rows)]
        assert rows.read == [i for where in found for i in range(where.start, where.stop)]
        return rows.read

    read = run_ranks(ranks, rank)
    assert sorted(i for own in read for i in own) == list(range(1400))
    assert max(map(len, read)) <= 1400 / ranks * 2


def test_the_input_is_mapped_and_any_order_of_it_will_do(trained):
    folder = trained()
    np.save("X.npy", np.asfortranarray(X.astype(">f8")))
    predicted(folder)
    assert_same_bits(np.load("Y.npy"), dtrain.load(folder).predict(X))


def test_samples_of_the_runs_own_data_are_predicted(trained):
    folder = trained()
    done = predicted(folder, split="all")
    assert done.shape == (80, 3)
    assert_same_bits(np.load("Y.npy"), dtrain.load(folder).predict(np.load("points.npz")["x"]))
    assert predicted(folder, split="validation", overwrite=True).shape == (20, 3)


def test_the_output_of_a_layer_may_be_wanted(trained):
    folder = trained()
    np.save("X.npy", X)
    predicted(folder, 2, layer="code")
    assert_same_bits(np.load("Y.npy"), dtrain.load(folder).predict(X, layer="code"))


def test_values_that_are_not_finite_pass_through_and_are_told(trained):
    folder = trained()
    x = X.copy()
    x[[40, 3, 1399], 1] = np.nan, np.inf, -np.inf
    np.save("X.npy", x)
    for ranks in (1, 3):
        done = predicted(folder, ranks, overwrite=True)
        assert done.warnings == [
            "3 of the samples hold values that are not finite, and so may their predictions; the first is row 3"
        ]
        y = np.load("Y.npy")
        assert np.isnan(y[40]).all()
        assert np.isfinite(np.delete(y, [40, 3, 1399], axis=0)).all()


@pytest.mark.parametrize("ranks", [1, 3])
def test_samples_that_are_not_finite_are_refused_or_allowed_where_asked(ranks, trained):
    folder = trained()
    x = X.copy()
    x[[40, 1399], 1] = np.nan, -np.inf
    np.save("X.npy", x)

    def rank(communicator):
        with refused(
            DataError,
            "X.npy: expected finite numbers, got 2 rows with NaN, infinity or a number beyond the run's dtype; the "
            "first is row 40; clean the data",
        ):
            predict_run(communicator, folder, Wanted(Path("Y.npy"), Path("X.npy"), non_finite="refuse"))

    run_ranks(ranks, rank)
    assert files() == []
    assert predicted(folder, ranks, non_finite="allow").warnings == []
    with refused(ConfigError, "non_finite: expected one of 'allow', 'refuse', 'warn', got 'deny'"):
        serially(folder, output=Path("Z.npy"), non_finite="deny")


# ---------------------------------------------------------------------- text


def read_csv(name):
    """The header and the numbers of a file, without NumPy."""
    header, *lines = Path(name).read_text("ascii").splitlines()
    return header, np.array([[float(cell) for cell in line.split(",")] for line in lines])


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_a_name_that_ends_in_csv_gets_a_line_a_row_in_order(ranks, trained, monkeypatch):
    monkeypatch.setattr(csv_output, "ROWS", 100)
    folder = trained()
    np.save("X.npy", X)
    mean, spread = dtrain.load(folder).predict(X, draws=2)
    done = predicted(folder, ranks, output=Path("Y.csv"), spread=Path("S.CSV"), draws=2)
    assert done.shape == (1400, 3)
    for name, expected in (("Y.csv", mean), ("S.CSV", spread)):
        header, numbers = read_csv(name)
        assert header == "0,1,2"
        assert_same_bits(numbers.astype(np.float32), expected)
    assert files() == ["S.CSV", "Y.csv"]


def test_text_holds_what_has_no_columns_and_what_has_many(tmp_path):
    wide = np.array([[[1.5, -2], [np.nan, np.inf]]], np.float64)
    for shape, block, text in (
        ((2,), np.array([3, -1]), "0\n3\n-1\n"),
        ((1, 2, 2), wide, "0,1,2,3\n1.5,-2.0,nan,inf\n"),
        ((0, 3), np.zeros((0, 3)), "0,1,2\n"),
    ):
        folder = tmp_path / "text"
        folder.mkdir(exist_ok=True)
        output = csv_output.output_for(folder / "y.csv", "--output", shape, block.dtype)
        output.create()
        output.open()
        output.write(0, block)
        output.close()
        output.finish()
        assert (folder / "y.csv").read_text() == text
        assert os.listdir(folder) == ["y.csv"]


def test_names_of_columns_are_quoted_where_they_have_to_be(tmp_path):
    output = csv_output.output_for(tmp_path / "Z.csv", "", (0, 3), np.dtype("f"), ["a,b", 'say "x"', "ä"])
    output.create()
    output.finish()
    assert (tmp_path / "Z.csv").read_text("utf-8") == '"a,b","say ""x""",ä\n'


def test_a_name_without_an_ending_gets_what_npy_does_and_others_are_refused(trained):
    folder = trained()
    np.save("X.npy", X)
    predicted(folder, output=Path("Y"))
    assert_same_bits(np.load("Y"), dtrain.load(folder).predict(X))
    for option, wanted in {
        "--output Y.txt": {"output": Path("Y.txt")},
        "--spread S.txt": {"output": Path("Z.npy"), "spread": Path("S.txt"), "draws": 2},
    }.items():
        with refused(
            ConfigError,
            f"{option}: expected a name that ends in .npy or .csv, or has no ending, got '.txt'",
        ):
            serially(folder, **wanted)
    assert files() == ["Y"]


def test_a_disk_that_is_full_when_text_is_made_leaves_nothing(trained, monkeypatch):
    folder = trained()
    np.save("X.npy", X)

    def full(output, file):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(csv_output.CsvOutput, "_write", full)
    message = "--output Y.csv: expected a file that can be written, got: No space left on device"
    with refused(ConfigError, message):
        serially(folder, output=Path("Y.csv"))
    assert files() == []


# ---------------------------------------------------------------------- mistakes


def test_an_output_that_exists_is_replaced_only_when_asked(trained):
    folder = trained()
    np.save("X.npy", X)
    Path("Y.npy").write_text("mine")
    with pytest.raises(UserError) as caught:
        predicted(folder, 2)
    assert str(caught.value) == "--output Y.npy: it exists; --overwrite replaces it"
    assert Path("Y.npy").read_text() == "mine"
    predicted(folder, overwrite=True)
    assert np.load("Y.npy").shape == (1400, 3)


def test_outputs_that_cannot_be_are_refused(trained, elsewhere):
    folder = trained()
    np.save("X.npy", X)
    (elsewhere / "there").mkdir()
    wrong = {
        "--output there: expected a file, got a folder": {"output": Path("there")},
        "--output none/Y.npy: expected a file that can be written, got: No such file or directory": {
            "output": Path("none/Y.npy")
        },
        "--output Y\0.npy: expected a file that can be written, got: embedded null byte": {
            "output": Path("Y\0.npy")
        },
        "--spread: expected --draws beside it, got none": {"spread": Path("S.npy")},
        "--spread Y.npy: expected another file than --output, got the same": {
            "spread": Path("Y.npy"),
            "draws": 2,
        },
    }
    for message, wanted in wrong.items():
        with refused(ConfigError, message):
            serially(folder, **wanted)
    assert files() == []


def serially(folder, **wanted):
    wanted.setdefault("output", Path("Y.npy"))
    return predict_run(SerialCommunicator(), folder, Wanted(input=Path("X.npy"), **wanted))


class Payload:
    def __reduce__(self):
        return os.mkdir, ("unpickled",)


def _inputs():
    x = np.zeros((5, 4), np.float32)
    np.save("whole.npy", x)
    whole = Path("whole.npy").read_bytes()
    Path("whole.npy").unlink()
    np.save("X.npy", np.array([Payload()]), allow_pickle=True)
    objects = Path("X.npy").read_bytes()
    return {
        "cut": (whole[:-3], r"X\.npy: expected a .npy file of numbers, got another \("),
        "longer": (
            whole + b"\0",
            r"X\.npy: expected 208 bytes, as its header says, got 209; write it again$",
        ),
        "empty": (b"", r"X\.npy: expected a .npy file of numbers, got another \("),
        "text": (b"a,b\n1,2\n", r"X\.npy: expected a .npy file of numbers, got another \("),
        "pickle": (pickle.dumps(Payload()), r"X\.npy: expected a .npy file of numbers, got another \("),
        "objects": (objects, r"X\.npy: expected a .npy file of numbers, got another \("),
        "header": (whole[:10] + b"(" * 118 + whole[128:], r"X\.npy: expected a .npy file of numbers, got "),
    }


def test_an_input_that_is_no_npy_file_is_refused_and_never_unpickled(trained):
    folder = trained()
    for content, pattern in _inputs().values():
        Path("X.npy").write_bytes(content)
        with pytest.raises(DataError, match=rf"^{pattern}") as caught:
            serially(folder)
        assert "\n" not in str(caught.value)
    assert not Path("unpickled").exists()
    assert files() == []


def test_an_input_that_does_not_fit_is_refused_on_all_ranks_alike(trained):
    folder = trained()
    np.save("X.npy", np.zeros((5, 7)))

    def rank(communicator):
        with pytest.raises(DataError) as caught:
            predict_run(communicator, folder, Wanted(output=Path("Y.npy"), input=Path("X.npy")))
        return str(caught.value), caught.value.everywhere

    assert run_ranks(3, rank) == [("X.npy: expected shape (rows, 4), got (5, 7)", True)] * 3
    Path("X.npy").unlink()
    with refused(DataError, "X.npy: expected a .npy file, got: No such file or directory"):
        serially(folder)
    assert files() == []


def test_a_full_disk_on_one_rank_is_told_by_all_and_leaves_nothing(trained, monkeypatch):
    folder = trained()
    np.save("X.npy", X)
    real, begin = os.pwrite, 128 + 1300 * 3 * 4

    def full(file, data, at):
        if at >= begin:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(file, data[:5], at)  # and the others get few bytes through at once

    monkeypatch.setattr(os, "pwrite", full)

    def rank(communicator):
        with pytest.raises(ConfigError) as caught:
            predict_run(communicator, folder, Wanted(output=Path("Y.npy"), input=Path("X.npy")))
        return str(caught.value)

    message = "--output Y.npy: expected a file that can be written, got: No space left on device"
    assert run_ranks(3, rank) == [f"rank 2 of 3 on {os.uname().nodename}: {message}"] * 3
    assert files() == []


def test_short_writes_are_gone_on_with(trained, monkeypatch):
    folder = trained()
    np.save("X.npy", X)
    real = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda file, data, at: real(file, data[:5], at))
    predicted(folder, 2)
    assert_same_bits(np.load("Y.npy"), dtrain.load(folder).predict(X))


def test_bad_samples_of_the_runs_own_data_leave_nothing(trained):
    arrays = np.load("points.npz")
    x = arrays["x"].copy()
    np.save("x.npy", x)
    np.save("y.npy", arrays["y"])
    folder = trained({"data": {"name": "npy", "x": "x.npy", "y": "y.npy"}})
    x[70] = np.nan
    np.save("x.npy", x)

    def rank(communicator):
        with refused(DataError, "[data]: x of sample 70 is not finite; clean the data"):
            predict_run(communicator, folder, Wanted(output=Path("Y.npy"), split="all"))

    run_ranks(3, rank)
    assert files() == []
