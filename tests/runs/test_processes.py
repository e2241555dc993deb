"""What only real processes can show: who speaks, who is gone, and how soon."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dtrain.trainer import checkpoint
from tests.mpirun import ONE_THREAD, OPEN_MPI, mpirun_here

SECONDS = 30  # for a job that ends by itself; the contract says 10 after a failure

TROUBLE = """
    import os, signal, time
    from dtrain import Callback, Layer, hookimpl

    RANK = int(os.environ.get("OMPI_COMM_WORLD_RANK", "0"))

    def trouble(kind):
        if kind == "raise":
            raise RuntimeError("no luck")
        if kind == "exit":
            raise SystemExit(0)
        if kind == "leave":
            os._exit(0)
        if kind == "kill":
            os.kill(os.getpid(), signal.SIGKILL)

    class Unlucky(Layer):
        def __init__(self, where: str = "", kind: str = "raise", step: int = 2):
            self.where, self.kind, self.step = where, kind, step

        def forward(self, x, context):
            def now(phase):
                return self.where == phase and RANK == 1 and context.training and context.step == self.step
            if now("forward"):
                trouble(self.kind)
            def backward(dy):
                if now("backward"):
                    trouble(self.kind)
                return dy
            return x, backward

    class Unhappy(Callback):
        def after_step(self, run):
            if RANK == 1 and run.step == 3:
                raise RuntimeError("no mood")

        def failure(self, run, error):
            if RANK == 1:
                print("told of", repr(error), flush=True)

    class Slow(Callback):
        def __init__(self, seconds: float = 0.05):
            self.seconds = seconds

        def after_step(self, run):
            time.sleep(self.seconds)

    @hookimpl
    def dtrain_layers():
        return {"unlucky": Unlucky}

    @hookimpl
    def dtrain_callbacks():
        return {"unhappy": Unhappy, "slow": Slow}
"""
LAYER = "layer 'unlucky_1' (layer 'unlucky' from plugin 'acme' 1.2 (distribution acme-dtrain))"


@pytest.fixture
def job(mpirun, acme):
    """job(2, "train", …) → the job, which knows the plugin."""
    site = acme(TROUBLE)
    return lambda ranks, *arguments: mpirun(
        ranks, ["-P", "-m", "dtrain", *arguments], timeout=SECONDS, environ={"PYTHONPATH": _with(site)}
    )


def _with(site: str) -> str:
    root = Path(__file__).parents[2]
    return os.pathsep.join([site, *(str(root / folder) for folder in (".", "plugins", "launch"))])


def _unlucky(where: str, kind: str = "raise") -> dict:
    unlucky = {"name": "unlucky", "where": where, "kind": kind}
    return {"network": [{"name": "dense", "units": 5}, unlucky, {"name": "dense", "units": 3}]}


FAILURES = {
    "forward": (
        _unlucky("forward"),
        "(epoch 1, step 3): RuntimeError: no luck",
        f"in the forward of {LAYER}",
    ),
    "backward": (
        _unlucky("backward"),
        "(epoch 1, step 3): RuntimeError: no luck",
        f"in the backward of {LAYER}",
    ),
    "callback": (
        {"callback": [{"name": "unhappy"}]},
        "(epoch 1, step 4): RuntimeError: no mood",
        "in after_step of the callback 'unhappy' from plugin 'acme' 1.2 (distribution acme-dtrain)",
    ),
}


@pytest.mark.parametrize(("changes", "error", "note"), FAILURES.values(), ids=FAILURES)
def test_a_rank_that_raises_ends_the_job_with_the_cause_on_the_screen(changes, error, note, job, write):
    ended = job(2, "train", write(changes))
    assert ended.code == 1
    host = os.uname().nodename
    assert f"dtrain: rank 1 of 2 on {host} {error} ({note}); the traceback is above\n" in ended.output
    assert "Traceback (most recent call last)" in ended.output
    assert ended.output.count("dtrain: ") == 1
    assert ("told of RuntimeError('no mood')" in ended.output) == ("callback" in changes)


@pytest.mark.parametrize("kind", ["exit", "leave", "kill"])
def test_a_rank_that_vanishes_ends_the_job(kind, job, write):
    ended = job(2, "train", write(_unlucky("forward", kind)))
    assert ended.code != 0
    if kind != "exit":
        assert re.search(
            r"^dtrain: rank 1 of 2 on \S+ \(pid \d+, last seen: .*\) is gone: ", ended.output, re.M
        )
    if kind == "exit":
        assert "something called sys.exit(0) in the middle of the run" in ended.output
    assert "run in" not in ended.output


MISTAKES = {
    "an unknown key": (["--set", "train.epoch=3"], "recipe 'digits': unknown key 'epoch' in [train]"),
    "no config": (["none.toml"], "no config 'none.toml': expected a TOML file or the name of a recipe"),
    "arguments": (["--sett"], "unrecognized arguments: --sett; see `dtrain --help`"),
    "more ranks than shards": (
        ["run.toml", "--set", "train.shards=2"],
        "[train] shards: expected at least one",
    ),
    "NaN at a step": (
        ["run.toml", "--set", "data={name='npy', x='x.npy', y='y.npy'}"],
        "[data]: x of sample 70",
    ),
    "early stopping": (
        ["run.toml", "--set", "data.validation=0.0", "--set", "callback=[{name='early_stopping'}]"],
        "run.toml: [[callback]] #1: early_stopping needs held-out samples",
    ),
    "--out is a file": (
        ["run.toml", "--out", "run.toml"],
        "--out «at»/run.toml: expected a folder, got a file",
    ),
    "resume of nothing": (["--resume", "--out", "none"], "--resume: expected a run in"),
}


@pytest.mark.parametrize(("arguments", "message"), MISTAKES.values(), ids=MISTAKES)
def test_one_rank_tells_a_mistake_in_one_line(arguments, message, job, write, elsewhere):
    import numpy as np

    write()
    arrays = np.load("points.npz")
    x = arrays["x"].copy()
    x[70] = np.nan
    np.save("x.npy", x)
    np.save("y.npy", arrays["y"])
    before = {*os.listdir()}
    ended = job(3, "train", *arguments)
    assert ended.code == 2, ended.output
    (line,) = [line for line in ended.output.splitlines() if "dtrain: " in line]
    assert line.startswith("dtrain: " + message.replace("«at»", str(elsewhere)))
    assert "Traceback" not in ended.output
    assert {*os.listdir()} == before


def test_ranks_that_are_processes_give_the_weights_of_one(job, write, config, sha):
    ended = job(3, "train", write(), "--out", "out")
    assert ended.code == 0, ended.output
    written = json.loads(Path("out/summary.json").read_text())
    assert (written["ranks"], written["weights_sha256"]) == (3, sha(config()))
    assert len({row["pid"] for row in json.loads(Path("out/ranks.json").read_text())}) == 3


@pytest.fixture
def start(acme):
    """start("train", …) starts `python -m dtrain …`; ended at the end of the test in any case."""
    site = acme(TROUBLE)
    started = []

    def begin(*arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "dtrain", *arguments],
            env={**os.environ, "PYTHONPATH": _with(site)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        if process.poll() is None:
            process.kill()
            process.communicate()


def _wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + SECONDS
    while not path.exists():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < end, f"no {path}"
        time.sleep(0.02)


SLOW = {"callback": [{"name": "slow"}], "train.epochs": 50}  # 10 s


@pytest.mark.parametrize("ranks", [0, 2], ids=["one process", "launch -n 2"])
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGUSR1, 143)], ids=str
)
def test_a_signal_saves_and_the_run_goes_on(
    number, code, ranks, start, write, on_ranks, config, sha, elsewhere
):
    launch = ["launch", "-n", str(ranks), "--"] if ranks else []
    process = start(*launch, "train", write(SLOW), "--out", "out")
    _wait_for(elsewhere / "out" / "ranks.json", process)
    process.send_signal(number)
    output, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == code, output
    assert "go on with: dtrain train --resume --out" in output
    assert "Traceback" not in output
    path, warnings = checkpoint.newest(elsewhere / "out" / "checkpoints")
    assert not warnings
    assert path.name < checkpoint.name_of(200)
    fast = {**SLOW, "callback": [{"name": "slow", "seconds": 0.0}]}
    on_ranks(3, config(fast), elsewhere / "out", resume=True)
    written = json.loads((elsewhere / "out" / "summary.json").read_text())
    assert written["weights_sha256"] == sha(config({"train.epochs": 50}))


@pytest.fixture
def started_mpirun(acme):
    """started_mpirun("train", …) starts `mpirun -n 2 python -m dtrain …`; ended at the end of the test in any case."""
    environ = {**os.environ, **OPEN_MPI, **ONE_THREAD, "PYTHONPATH": _with(acme(TROUBLE))}
    started = []

    def begin(*arguments: str) -> subprocess.Popen[str]:
        words = [mpirun_here(), "-n", "2", sys.executable, "-P", "-m", "dtrain", *arguments]
        pipe, both = subprocess.PIPE, subprocess.STDOUT
        started.append(subprocess.Popen(words, env=environ, stdout=pipe, stderr=both, text=True))
        return started[-1]

    yield begin
    for process in started:
        if process.poll() is None:
            process.kill()
            process.communicate()


def _pids(folder: Path) -> list[int]:
    return [row["pid"] for row in json.loads((folder / "ranks.json").read_text())]


def test_sigusr1_to_mpirun_saves_and_the_run_goes_on(started_mpirun, write, on_ranks, config, sha, elsewhere):
    process = started_mpirun("train", write(SLOW), "--out", "out")
    _wait_for(elsewhere / "out" / "ranks.json", process)
    process.send_signal(signal.SIGUSR1)
    output, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 143, output
    assert "go on with: dtrain train --resume --out" in output
    path, warnings = checkpoint.newest(elsewhere / "out" / "checkpoints")
    assert not warnings
    assert path.name < checkpoint.name_of(200)
    assert not [*path.parent.glob(".*")]
    fast = {**SLOW, "callback": [{"name": "slow", "seconds": 0.0}]}
    on_ranks(1, config(fast), elsewhere / "out", resume=True)
    written = json.loads((elsewhere / "out" / "summary.json").read_text())
    assert written["weights_sha256"] == sha(config({"train.epochs": 50}))


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no signal at the death of a parent")
def test_no_rank_outlives_an_mpirun_that_is_killed(started_mpirun, write, elsewhere):
    process = started_mpirun("train", write(SLOW), "--out", "out")
    _wait_for(elsewhere / "out" / "ranks.json", process)
    pids = _pids(elsewhere / "out")
    process.kill()
    process.communicate(timeout=SECONDS)
    end = time.monotonic() + SECONDS
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        assert time.monotonic() < end, "a rank is still there"
        time.sleep(0.02)
    assert len(pids) == 2
    assert not (elsewhere / "out" / "summary.json").exists()


def test_launch_reports_a_killed_rank(start, write, elsewhere):
    process = start("launch", "-n", "2", "--", "train", write(SLOW), "--out", "out")
    _wait_for(elsewhere / "out" / "ranks.json", process)
    rank = json.loads((elsewhere / "out" / "ranks.json").read_text())[1]
    os.kill(rank["pid"], signal.SIGKILL)
    output, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 1, output
    assert "run in" not in output


def test_a_stray_module_beside_the_data_does_no_harm(start, write):
    Path("numpy.py").write_text("raise SystemExit('stray')")
    process = start("launch", "-n", "2", "--", "train", write({"train.epochs": 1}), "--out", "out")
    output, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, output


def test_a_reader_that_has_gone_does_not_end_the_run(start, write, elsewhere):
    process = start("train", write({**SLOW, "train.epochs": 3}), "--out", "out")
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(SECONDS) == 0
    assert (elsewhere / "out" / "summary.json").exists()
