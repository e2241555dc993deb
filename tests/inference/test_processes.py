"""`dtrain evaluate` and `dtrain predict` on real processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import dtrain
from tests.mpirun import OPEN_MPI, python_path

SECONDS = 30
X = np.random.default_rng(3).standard_normal((13, 4))


@pytest.fixture
def job(mpirun):
    """job(2, "predict", …) → the job."""
    return lambda ranks, *arguments: mpirun(ranks, ["-P", "-m", "dtrain", *arguments], timeout=SECONDS)


def test_three_processes_give_the_figures_of_one(job, trained):
    folder = trained()
    ended = job(3, "evaluate", str(folder), "--json")
    assert ended.code == 0, ended.output
    (line,) = [line for line in ended.output.splitlines() if line.startswith("{")]
    assert json.loads(line)["validation"] == json.loads((folder / "summary.json").read_text())["validation"]


def test_three_processes_write_one_file(job, trained):
    folder = trained()
    np.save("X.npy", X)
    words = ["--input", "X.npy", "--output", "Y.npy", "--draws", "3", "--spread", "S.npy"]
    ended = job(3, "predict", str(folder), *words)
    assert ended.code == 0, ended.output
    assert ended.output.count("Y.npy and S.npy: (13, 3) of float32") == 1
    mean, spread = dtrain.load(folder).predict(X, draws=3)
    np.testing.assert_array_equal(np.load("Y.npy"), mean)
    np.testing.assert_array_equal(np.load("S.npy"), spread)


def test_three_processes_write_one_text_of_many_blocks_and_warn_of_what_is_not_finite(job, trained):
    folder = trained()
    x = np.random.default_rng(3).standard_normal((1400, 4))
    x[1300, 2] = np.nan
    np.save("X.npy", x)
    ended = job(3, "predict", str(folder), "--input", "X.npy", "--output", "Y.csv")
    assert ended.code == 0, ended.output
    told = "1 of the samples hold values that are not finite, and so may their predictions; the first is row 1300"
    assert ended.output.count(f"dtrain: warning: {told}\n") == 1
    expected = dtrain.load(folder).predict(x, non_finite="allow")
    numbers = np.loadtxt("Y.csv", np.float32, delimiter=",", skiprows=1)
    np.testing.assert_array_equal(numbers, expected)
    np.save("X.npy", x[:20])
    words = ["predict", str(folder), "--input", "X.npy", "--output", "few.npy"]
    assert job(2, *words).code == 0
    np.testing.assert_array_equal(np.load("few.npy"), expected[:20])
    x[7, 0] = np.inf
    np.save("X.npy", x)
    ended = job(3, "predict", str(folder), "--input", "X.npy", "--output", "no.npy", "--non-finite", "refuse")
    assert ended.code == 2, ended.output
    (line,) = [line for line in ended.output.splitlines() if "dtrain: " in line]
    assert line == (
        "dtrain: X.npy: expected finite numbers, got 2 rows with NaN, infinity or a number beyond the run's dtype; the "
        "first is row 7; clean the data"
    )
    assert not Path("no.npy").exists()


def test_launch_starts_them(trained):
    folder = trained()
    np.save("X.npy", X)
    words = ["launch", "-n", "2", "--", "predict", str(folder), "--input", "X.npy", "--output", "Y.npy"]
    ended = subprocess.run(
        [sys.executable, "-P", "-m", "dtrain", *words],
        env={**os.environ, **OPEN_MPI, "PYTHONPATH": python_path()},
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    np.testing.assert_array_equal(np.load("Y.npy"), dtrain.load(folder).predict(X))


MISTAKES = {
    "no run": (["evaluate", "none"], "none: expected the folder of a run, got nothing"),
    "an output that exists": (
        ["predict", "run", "--input", "X.npy", "--output", "X.npy"],
        "--output X.npy: it exists; --overwrite replaces it",
    ),
}


@pytest.mark.parametrize(("arguments", "message"), MISTAKES.values(), ids=MISTAKES)
def test_one_rank_tells_a_mistake_in_one_line(arguments, message, job, trained):
    trained({"train.epochs": 1})
    np.save("X.npy", X)
    before = {*os.listdir()}
    ended = job(3, *arguments)
    assert ended.code == 2, ended.output
    (line,) = [line for line in ended.output.splitlines() if "dtrain: " in line]
    assert line == f"dtrain: {message}"
    assert "Traceback" not in ended.output
    assert {*os.listdir()} == before
    assert Path("X.npy").exists()


def test_a_rank_that_fails_ends_the_job_and_no_output_is_there(job, trained, acme, mpirun):
    site = acme("""
        import os
        from dtrain import Layer, hookimpl

        class Unlucky(Layer):
            def forward(self, x, context):
                if not context.training and len(x) and os.environ.get("OMPI_COMM_WORLD_RANK") == "1":
                    raise RuntimeError("no luck")
                return x, lambda dy: dy

        @hookimpl
        def dtrain_layers():
            return {"unlucky": Unlucky}
    """)
    folder = trained({"network": [{"name": "unlucky"}, {"name": "dense", "units": 3}], "train.epochs": 1})
    np.save("X.npy", X)
    words = ["predict", str(folder), "--input", "X.npy", "--output", "Y.npy"]
    environ = {"PYTHONPATH": f"{site}{os.pathsep}{python_path()}"}
    ended = mpirun(2, ["-P", "-m", "dtrain", *words], timeout=SECONDS, environ=environ)
    assert ended.code == 1
    assert (
        f"dtrain: rank 1 of 2 on {os.uname().nodename} (predicting): RuntimeError: no luck (in the forward of "
        "layer 'unlucky_1' (layer 'unlucky' from plugin 'acme' 1.2 (distribution acme-dtrain)))"
    ) in ended.output
    assert not Path("Y.npy").exists()
