"""What one run after another in one process costs: nothing is read twice, and nothing is left."""

from __future__ import annotations

import gc
import importlib.metadata
import os
import threading

import pytest

import dtrain
from dtrain.registry import manager


@pytest.fixture
def train(config, elsewhere):
    def run():
        return dtrain.train(config({"train.epochs": 1}), out=elsewhere / f"run-{len(os.listdir(elsewhere))}")

    run()
    return run


def test_a_second_run_reads_no_distribution_and_makes_no_manager(train, monkeypatch):
    read, made = [], []
    monkeypatch.setattr(
        importlib.metadata.PathDistribution, "read_text", lambda self, name: read.append(name)
    )
    monkeypatch.setattr(manager, "_manager_of", made.append)
    train()
    assert (read, made) == ([], [])


def held() -> dict[str, int]:
    gc.collect()
    return {
        "files": len(os.listdir("/proc/self/fd")),
        "threads": threading.active_count(),
        "objects": len(gc.get_objects()),
    }


def test_a_run_leaves_no_file_thread_or_object(train):
    for _ in range(5):
        train()
    before = held()
    for _ in range(10):
        train()
    after = held()
    assert (after["files"], after["threads"]) == (before["files"], before["threads"])
    assert (
        after["objects"] - before["objects"] < 10 * 5
    )  # one object a run would already be a leak of its size


def test_what_a_run_keeps_would_be_seen(train):
    """A negative control: one trainer's result that is kept is more than the bound."""
    kept = []
    for _ in range(5):
        train()
    before = held()
    for _ in range(10):
        kept.append([train().summary, *([] for _ in range(5))])
    assert held()["objects"] - before["objects"] > 10 * 5
