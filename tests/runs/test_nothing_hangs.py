"""Ranks that stop in every way there is: the job ends or goes on without them, and says first who it was."""

from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path

import pytest

from dtrain.communicator.board import state_of
from dtrain.communicator.verdict import State

SECONDS = 30  # for a job that ends by itself; the contract says 10 after a failure
LIMIT = "2"

TROUBLE = """
    import os, signal
    from dtrain import Callback, Layer, hookimpl

    RANK = int(os.environ.get("OMPI_COMM_WORLD_RANK", "0"))

    def stop():
        os.kill(os.getpid(), signal.SIGSTOP)

    def loop():
        while True:
            pass

    def loop_in_c():
        sum(iter(int, 1))

    class Unlucky(Layer):
        def __init__(self, kind: str):
            self.kind = kind

        def forward(self, x, context):
            unlucky = RANK == 1 and context.training and context.step == 2
            if unlucky and self.kind != "back":
                if self.kind == "sum":
                    context.sum(x)
                elif self.kind == "max":
                    context.max(x[:, :4], x[:, :4])
                else:
                    {"stop": stop, "loop": loop, "loop_in_c": loop_in_c}[self.kind]()

            def backward(dy):
                if unlucky and self.kind == "back":
                    loop()
                return dy

            return x, backward

    class Slow(Callback):
        def after_step(self, run):
            if RANK == 1 and run.step == 3:
                loop()

    @hookimpl
    def dtrain_layers():
        return {"unlucky": Unlucky}

    @hookimpl
    def dtrain_callbacks():
        return {"slow": Slow}
"""


def unlucky(kind):
    middle = {"name": "unlucky", "kind": kind}
    return {"network": [{"name": "dense", "units": 5}, middle, {"name": "dense", "units": 3}]}


@pytest.fixture
def job(mpirun, acme):
    """job(2, "train", …) → the job, which knows the plugin and gives a rank two seconds."""
    site = acme(TROUBLE)
    root = Path(__file__).parents[2]
    path = os.pathsep.join([site, *(str(root / folder) for folder in (".", "plugins", "launch"))])

    def run(ranks, *arguments, flags=(), **environ):
        given = {"PYTHONPATH": path, "DTRAIN_STOP_LIMIT": LIMIT, **environ}
        return mpirun(ranks, ["-P", "-m", "dtrain", *arguments], timeout=SECONDS, environ=given, flags=flags)

    return run


def is_gone(output):
    """Tells whether the process that the report names is no more, or is so soon: it dies with mpirun."""
    pid = int(re.search(r"dtrain: rank 1 of \d+ on \S+ \(pid (\d+)", output)[1])
    for _ in range(50):
        if state_of(pid) is State.GONE:
            return True
        time.sleep(0.1)
    return False


WHO = r"dtrain: rank 1 of 2 on \S+ \(pid \d+, [^()]*\) "
CASES = {
    "stopped": (
        unlucky("stop"),
        WHO + r"is stopped \(SIGSTOP\), for 2 s; ending the job",
        "  rank 0 waits in ",
    ),
    "an endless loop in a layer": (
        unlucky("loop"),
        r"dtrain: rank 1 of 2 on \S+ \(pid \d+, epoch 1, step 3, layer 'unlucky_1'\) has not got on for 2 s while the",
        ", in loop\n    while True:\n",
    ),
    "an endless loop in C": (
        unlucky("loop_in_c"),
        WHO + "has not got on for 2 s: it is in C code that holds Python's lock",
        " in loop_in_c\n",
    ),
    "an endless loop in a callback": (
        {"callback": [{"name": "slow"}]},
        WHO + "has not got on",
        ", in after_step\n",
    ),
}


@pytest.mark.parametrize(("changes", "report", "where"), CASES.values(), ids=CASES)
def test_a_rank_that_stops_ends_the_job_with_one_report(changes, report, where, job, write):
    ended = job(2, "train", write(changes))
    assert ended.code == 1, ended.output
    assert re.search(f"^{report}", ended.output, re.MULTILINE), ended.output
    assert where in ended.output
    assert re.search(
        r"\n  rank 0 waits in allgather #\d+ of \(\d, 4\) float64 \(epoch 1, step \d, ", ended.output
    )
    assert ended.output.count("dtrain: ") == 1
    assert "Traceback" not in ended.output, ended.output
    assert is_gone(ended.output)


def test_a_rank_that_stops_while_gradients_are_under_way_ends_the_job_with_one_report(job, write):
    changes = unlucky("back") | {"train.exchange": {"name": "overlap", "bucket": 0.01}}
    ended = job(2, "train", write(changes))
    assert ended.code == 1, ended.output
    where = r"\(pid \d+, epoch 1, step 3, layer 'unlucky_1'\) has not got on for 2 s while the"
    assert re.search(rf"^dtrain: rank 1 of 2 on \S+ {where}", ended.output, re.MULTILINE), ended.output
    assert re.search(
        r"\n  rank 0 waits in finish buckets #\d+ of \(1, 1024\) float32 \(epoch 1, ", ended.output
    )
    assert ended.output.count("dtrain: ") == 1
    assert is_gone(ended.output)


@pytest.mark.parametrize("kind", ["sum", "max"])
def test_a_collective_of_one_rank_is_found_not_waited_for(kind, job, write):
    ended = job(2, "train", write(unlucky(kind)), DTRAIN_STOP_LIMIT="20")
    assert ended.code == 1
    assert "dtrain: rank" in ended.output
    assert "collective" in ended.output, ended.output
    assert "Traceback" not in ended.output, ended.output


def test_a_stopped_rank_is_killed_and_the_others_go_on_to_the_same_weights(job, write, config, sha):
    ended = job(3, "train", write(unlucky("stop")), "--out", "out", flags=["--with-ft", "ulfm"])
    assert ended.code == 0, ended.output
    assert "is stopped (SIGSTOP), for 2 s; it is killed, and the others go on\n" in ended.output
    written = json.loads(Path("out/summary.json").read_text())
    assert written["weights_sha256"] == sha(config(unlucky("stop")))
