"""How many threads BLAS gets."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from dtrain.errors import ConfigError
from dtrain.threads import VARIABLES, environment_of_user, set_threads, threads_for


@pytest.fixture(autouse=True)
def unset(monkeypatch):
    monkeypatch.setattr("dtrain.threads._set_variables", {})
    for name in (*VARIABLES, "DTRAIN_THREADS"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    yield
    monkeypatch.undo()
    set_threads(1)


@pytest.mark.parametrize(
    ("shards", "cores", "local_size", "threads"),
    [("auto", 8, 2, 1), (4, 8, 2, 1), ("ranks", 8, 2, 4), ("ranks", 8, 3, 2), ("ranks", 2, 4, 1)],
)
def test_a_rank_gets_its_share_of_the_cores_where_bits_may_differ(
    shards, cores, local_size, threads, monkeypatch
):
    monkeypatch.setattr("os.sched_getaffinity", lambda process: {*range(cores)})
    assert threads_for(shards, local_size) == threads


def test_the_user_may_ask_for_more(monkeypatch):
    monkeypatch.setenv("DTRAIN_THREADS", "3")
    assert threads_for("auto", 1) == 3


@pytest.mark.parametrize("text", ["two", "0", "-1", "1.5"])
def test_what_is_no_number_is_refused(text, monkeypatch, write, dtrain):
    monkeypatch.setenv("DTRAIN_THREADS", text)
    with pytest.raises(ConfigError) as raised:
        threads_for("auto", 1)
    message = f"DTRAIN_THREADS: expected a whole number ≥ 1, got {text!r}"
    assert (str(raised.value), raised.value.everywhere) == (message, True)
    ended = dtrain("train", write())
    assert (ended.code, ended.err) == (2, f"dtrain: {message}\n")


def test_what_is_set_already_is_respected(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2,1")
    set_threads(1)
    assert os.environ["OMP_NUM_THREADS"] == "2,1"
    assert os.environ["OPENBLAS_NUM_THREADS"] == "2"


@pytest.mark.parametrize("name", VARIABLES)
def test_whichever_variable_says_it_holds_for_all(name, monkeypatch):
    monkeypatch.setenv(name, "3")
    set_threads(2)
    assert {os.environ[other] for other in VARIABLES} == {"3"}


def test_a_library_keeps_a_number_of_its_own_beside_the_general_one(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
    set_threads(2)
    assert (os.environ["OPENBLAS_NUM_THREADS"], os.environ["MKL_NUM_THREADS"]) == ("1", "4")


@pytest.mark.parametrize("text", ["", "many", "0", "-1"])
def test_what_no_library_can_read_is_as_if_not_set(text, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", text)
    set_threads(2)
    assert {os.environ[name] for name in VARIABLES} == {"2"}


def test_what_dtrain_has_set_itself_is_not_the_users(monkeypatch):
    set_threads(1)
    assert not {*VARIABLES} & {*environment_of_user()}
    set_threads(2)
    assert {os.environ[name] for name in VARIABLES} == {"2"}
    monkeypatch.setenv("MKL_NUM_THREADS", "1")
    set_threads(2)
    assert {os.environ[name] for name in VARIABLES} == {"1"}


def blas():
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


@pytest.fixture
def two_threads(monkeypatch):
    import numpy  # noqa: F401

    with monkeypatch.context() as patch:
        patch.setenv("DTRAIN_THREADS", "2")
        set_threads(2)
    assert blas() == {2}


def test_a_limit_that_was_set_before_stays(two_threads, monkeypatch):
    with threadpool_limits(1, user_api="blas"):
        set_threads(2)
        assert blas() == {1}
        monkeypatch.setenv("DTRAIN_THREADS", "2")
        set_threads(2)
        assert blas() == {2}


def test_a_limit_of_an_earlier_run_does_not(two_threads):
    for count in (1, 2):
        set_threads(count)
        assert blas() == {count}


SEEN = """
import dtrain
from threadpoolctl import threadpool_info
dtrain.train("digits", set={"train.steps": 1, "train.shards": "ranks"}, out="out")
print([pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"])
"""


@pytest.mark.parametrize("name", ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"])
@pytest.mark.parametrize("before", ["", "import numpy"])
def test_a_process_runs_on_the_threads_that_the_user_has_set(before, name):
    environment = {key: value for key, value in os.environ.items() if not key.endswith("_NUM_THREADS")}
    ended = subprocess.run(
        [sys.executable, "-c", before + SEEN], env={**environment, name: "1"}, capture_output=True, text=True
    )
    assert ended.stdout == "[1]\n", ended.stderr


def test_what_is_set_for_dtrain_counts_for_more(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("DTRAIN_THREADS", "2")
    set_threads(2)
    assert {os.environ[name] for name in VARIABLES} == {"2"}


def test_libraries_that_are_loaded_obey(monkeypatch):
    import numpy  # noqa: F401

    monkeypatch.setenv("DTRAIN_THREADS", "2")
    set_threads(2)
    assert blas() == {2}
