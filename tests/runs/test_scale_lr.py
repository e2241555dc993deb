# ruff: noqa: E501 (each message stands in full on one line)
"""`[train] scale_lr` in a run: told at the start, under the schedules, and the same again from the resolved config."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

SCALE = {"train.scale_lr": {"rule": "linear", "reference": 4}}  # of a batch of 16
LINE = "lr 0.05 → 0.2 (linear, batch 16 against 4)"


def test_it_is_the_run_with_the_scaled_rate_and_says_so(write, dtrain, sha, config):
    ended = dtrain("train", write(SCALE), "--out", "out")
    assert ended.code == 0
    assert ended.err.splitlines()[1] == LINE
    summary = json.loads(Path("out/summary.json").read_text())
    assert summary["weights_sha256"] == sha(config({"optimizer.lr": 0.2}))
    assert summary["weights_sha256"] != sha(config())


def test_the_resolved_config_keeps_the_rate_that_was_given_and_trains_the_same_run(write, dtrain):
    assert dtrain("train", write(SCALE), "--out", "out").code == 0
    resolved = tomllib.loads(Path("out/config.toml").read_text())
    assert resolved["optimizer"]["lr"] == 0.05
    assert resolved["train"]["scale_lr"] == {"rule": "linear", "reference": 4}
    assert dtrain("train", "out/config.toml", "--out", "again").err.splitlines()[1] == LINE
    one, two = (json.loads(Path(f"{name}/summary.json").read_text()) for name in ("out", "again"))
    assert one["weights_sha256"] == two["weights_sha256"]


def test_schedules_act_on_the_scaled_rate(write, dtrain, sha, config):
    schedule = {"schedule": [{"name": "linear"}]}
    path = write(SCALE | schedule)
    assert dtrain("train", path, "--out", "out").code == 0
    rates = [json.loads(line)["lr"] for line in Path("out/metrics.jsonl").read_text().splitlines()]
    assert rates == pytest.approx([0.2 * (1 - step / 12) for step in (3, 7, 11)])
    expected = sha(config(schedule | {"optimizer.lr": 0.2}))
    assert json.loads(Path("out/summary.json").read_text())["weights_sha256"] == expected


def test_a_run_that_goes_on_scales_once_as_before(write, dtrain, sha, config):
    assert dtrain("train", write(SCALE | {"train.epochs": 1}), "--out", "out").code == 0
    assert dtrain("train", "--resume", "--out", "out", "--set", "train.epochs=3").code == 0
    summary = json.loads(Path("out/summary.json").read_text())
    assert summary["weights_sha256"] == sha(config({"optimizer.lr": 0.2}))


MISTAKES = {
    "a rule": ("linear", "[train] scale_lr: expected a table such as { rule = \"linear\", reference = 256 }, got \"linear\""),
    "another rule": ({"rule": "cube"}, "[train] scale_lr rule: expected \"linear\" or \"sqrt\", got \"cube\""),
    "no rule": ({"reference": 8}, '[train] scale_lr rule: expected "linear" or "sqrt", got nothing'),
    "no batch": ({"rule": "sqrt", "reference": 0}, "[train] scale_lr reference: expected a whole number ≥ 1, got 0"),
    "a typo": ({"rule": "sqrt", "referenc": 8}, "unknown key 'referenc' in [train] scale_lr; did you mean 'reference'?; known: 'reference', 'rule'"),
}  # fmt: skip


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_one_line(case, write, dtrain):
    value, message = MISTAKES[case]
    ended = dtrain("train", write({"train.scale_lr": value}), "--out", "out")
    assert (ended.code, ended.err) == (2, f"dtrain: run.toml: {message}\n")
