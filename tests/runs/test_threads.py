"""How many threads BLAS gets."""

from __future__ import annotations

import os

import pytest
from threadpoolctl import threadpool_info

from dtrain.errors import ConfigError
from dtrain.threads import VARIABLES, set_threads, threads_for


@pytest.fixture(autouse=True)
def unset(monkeypatch):
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
    assert os.environ["OPENBLAS_NUM_THREADS"] == "1"


def test_what_is_set_for_dtrain_counts_for_more(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("DTRAIN_THREADS", "2")
    set_threads(2)
    assert {os.environ[name] for name in VARIABLES} == {"2"}


def test_libraries_that_are_loaded_obey(monkeypatch):
    import numpy  # noqa: F401

    set_threads(2)
    assert {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"} == {2}
