"""What a run does with CSV files: what it warns of, what it refuses, what it learns."""

from __future__ import annotations

import random
import tomllib

import numpy as np
import pytest
import tomli_w

import dtrain
from dtrain.cli.main import main


@pytest.fixture
def train(tmp_path, monkeypatch, capfd):
    """Trains by the command on a CSV file; returns (exit code, lines of stderr)."""
    monkeypatch.chdir(tmp_path)

    def train(
        content, out="run", loss="mse", units=1, layers=(), epochs=5, dtype="float64", optimizer=None, **data
    ):
        (tmp_path / "t.csv").write_text(content)
        options = {"validation": data.pop("validation")} if "validation" in data else {}
        config = {
            "data": {"name": "csv", "path": "t.csv", "target": "y", **options, **data},
            "network": [*layers, {"name": "dense", "units": units}],
            "loss": {"name": loss},
            "optimizer": optimizer or {"name": "lbfgs"},
            "train": {"epochs": epochs, "dtype": dtype, "batch_size": 256},
        }
        (tmp_path / "c.toml").write_text(tomli_w.dumps(config))
        capfd.readouterr()
        code = main(["train", "c.toml", "--out", out])
        return code, capfd.readouterr().err.splitlines()

    return train


def test_numbers_near_each_other_are_told_apart_in_float64(train):
    content = "t,y\n" + "".join(f"{1600000000 + 60 * i},{i}\n" for i in range(40))
    code, _ = train(content, layers=[{"name": "standardize"}], epochs=30)
    assert code == 0
    x = np.array([[1600000060.0], [1600001200.0]])
    assert np.allclose(dtrain.load("run").predict(x).ravel(), [1, 20], atol=1e-9)


def test_a_row_number_is_warned_about_before_the_first_step_and_left_out_with_the_option(
    train, tmp_path, capfd
):
    random.seed(1)
    content = '"",x,y\n' + "".join(f'"{i}",{random.gauss(0, 1):.3f},{"ab"[i > 100]}\n' for i in range(1, 201))
    how = {
        "loss": "softmax_cross_entropy",
        "units": 2,
        "layers": [{"name": "standardize"}],
        "validation": 0.3,
    }
    warning = (
        f"dtrain: warning: {tmp_path}/t.csv: column 0 (without a name) only counts the rows, and the "
        "network is trained on it; to leave it out, set ignore = [0]"
    )
    code, lines = train(content, **how)
    assert code == 0
    assert lines.count(warning) == 1
    assert lines.index(warning) < next(
        i for i, line in enumerate(lines) if "epoch" in line and "loss" in line
    )
    capfd.readouterr()
    assert main(["evaluate", "run"]) == 0
    assert warning not in capfd.readouterr().err  # the columns are those of training, and it was said then
    code, lines = train(content, out="without", ignore=[0], **how)
    assert code == 0
    assert not [line for line in lines if "warning" in line]
    x = [[0.5], [-0.5]]
    assert dtrain.load("without").predict(x).shape == (2, 2)


def test_skipped_rows_are_said_by_training_and_by_evaluation(train, tmp_path, capfd):
    code, lines = train("x,y\n1,2\nNA,3\n3,4\n", missing_rows="skip")
    warning = f"{tmp_path}/t.csv: 1 of 3 rows are skipped, which have a missing cell, the first in line 3"
    assert code == 0
    assert lines.count(f"dtrain: warning: {warning}") == 1
    capfd.readouterr()
    assert main(["evaluate", "run", "--split", "all"]) == 0
    assert f"dtrain: warning: {warning}" in capfd.readouterr().err


def test_a_header_of_numbers_is_a_header_with_the_option(train, tmp_path):
    random.seed(0)
    pairs = [(random.gauss(0, 1), random.gauss(0, 1)) for _ in range(5)]
    content = "0,1,2\n" + "".join(f"{a:.3f},{b:.3f},{a + b:.3f}\n" for a, b in pairs)
    code, lines = train(content, target=-1, epochs=30)
    assert code == 0
    assert any("set header = true, else header = false" in line for line in lines)
    code, lines = train(content, out="said", target=-1, header=True, epochs=30)
    assert code == 0
    assert not [line for line in lines if "warning" in line]
    assert np.allclose(dtrain.load("said").predict([[1.0, 2.0]]), 3, atol=2e-2)


@pytest.mark.parametrize(
    ("content", "how", "line"),
    [
        (
            "x,y\n1,yes\n2,NA\n3,no\n4,?\n5,yes\n",
            {"loss": "softmax_cross_entropy", "units": 4},
            "line 3, column 1 ('y'): expected a target, got 'NA', which marks a missing one; fill the cell, or set "
            'missing_rows = "skip", or missing = [] if it names a class',
        ),
        (
            'size,rooms,y\n50,1,"1,100"\n60,2,"1,250"\n100,3,"12,000"\n',
            {},
            "line 2, column 2 ('y'): expected a number or a class, got '1,100'; set thousands = \",\"",
        ),
        (
            "1.2,n.d.,0\n3,4,1\n5,6,0\n",
            {"target": -1},
            "line 1: expected names or a sample, got '1.2' in column 0 and 'n.d.' in column 1, both above numbers; "
            "set header = true or header = false",
        ),
    ],
)
def test_what_cannot_be_read_is_one_line_and_leaves_nothing(train, tmp_path, content, how, line):
    code, lines = train(content, **how)
    assert (code, lines) == (2, [f"dtrain: {tmp_path}/t.csv: {line}"])
    assert not (tmp_path / "run").exists()


def test_an_option_that_cannot_be_is_one_line(train):
    code, lines = train("x,y\n1,2\n", decimal=",", thousands=",")
    assert (code, lines) == (
        2,
        ["dtrain: c.toml: [data]: dataset 'csv': decimal and thousands must differ, got ',' for both"],
    )
    code, lines = train("x,y\n1,2\n", target_kind="classes")
    assert code == 2
    assert len(lines) == 1
    assert "target_kind" in lines[0]


def test_the_resolved_config_trains_the_same_run_again(train, tmp_path):
    code, _ = train('x,"z",y\n1,a,"2,5"\n2,b,"3,5"\n4,c,"1"\n', ignore=["z"], decimal=",")
    assert code == 0
    resolved = tomllib.loads((tmp_path / "run" / "config.toml").read_text())
    assert resolved["data"]["ignore"] == ["z"]
    assert main(["train", "run/config.toml", "--out", "again"]) == 0
    summaries = [(tmp_path / name / "summary.json").read_text() for name in ("run", "again")]
    assert summaries[0].split('"weights_sha256"')[1] == summaries[1].split('"weights_sha256"')[1]
