"""Early stopping in a whole run: what is brought back are the weights of the best epoch, on every rank."""

from __future__ import annotations

import json

import pytest

CHANGES = {"optimizer.lr": 0.5, "train.epochs": 30}


@pytest.mark.parametrize("ranks", [1, 3])
def test_a_run_ends_with_the_weights_of_its_best_epoch(ranks, config, on_ranks, sha, elsewhere):
    callback = {"name": "early_stopping", "patience": 2}
    tables = config({**CHANGES, "callback": [callback]})
    summary = on_ranks(ranks, tables, elsewhere / "stopped")[0].summary
    lines = [json.loads(line) for line in (elsewhere / "stopped" / "metrics.jsonl").read_text().splitlines()]
    losses = [line["validation"]["loss"] for line in lines]
    best = losses.index(min(losses)) + 1
    assert best + callback["patience"] == len(lines) < CHANGES["train.epochs"]
    assert summary["weights_sha256"] == sha(config({**CHANGES, "train.epochs": best}))
    assert summary["validation"]["loss"] == min(losses)
    last = on_ranks(
        ranks,
        config({**CHANGES, "callback": [{**callback, "restore_best": False}]}),
        elsewhere / "last",
    )[0].summary
    assert last["weights_sha256"] == sha(config({**CHANGES, "train.epochs": len(lines)}))
    assert last["weights_sha256"] != summary["weights_sha256"]
