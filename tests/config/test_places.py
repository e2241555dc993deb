"""A key that stands in the wrong table is told its right one."""

from __future__ import annotations

import pytest

from dtrain.config import load
from dtrain.config.places import PLACES
from dtrain.config.read import _KEYS
from dtrain.errors import ConfigError, listed

TABLES = {
    "data": {"name": "digits"},
    "network": [{"name": "dense", "units": 10}],
    "loss": {"name": "softmax_cross_entropy"},
    "optimizer": {"name": "adam"},
    "train": {"epochs": 1},
}


def told(changes):
    with pytest.raises(ConfigError) as raised:
        load(TABLES, changes)
    return str(raised.value)


MEANT = {
    ("metrics", ""): "; did you mean [train] metrics?; known: ",
    ("epochs", ""): "; did you mean [train] epochs?; known: ",
    ("steps", ""): "; did you mean [train] steps or [checkpoint] steps?; known: ",
    ("validation", ""): "; did you mean [data] validation?; known: ",
    ("lr", ""): "; did you mean [optimizer] lr?; known: ",
    ("lr", "train"): "; did you mean [optimizer] lr?; known: ",
    ("seed", "train"): "; did you mean 'seed' at the top level or [data] seed?; known: ",
    ("schedule", "train"): "; did you mean 'schedule' at the top level?; known: ",
    ("epochs", "checkpoint"): "; did you mean [train] epochs?; known: ",
    ("keep", "train"): "; did you mean [checkpoint] keep?; known: ",
    ("reference", "train"): "; did you mean [train] scale_lr reference?; known: ",
    ("metric", "train"): "; did you mean 'metrics'?; known: ",
    ("BatchSize", ""): "; did you mean [train] batch_size?; known: ",
    ("optimiser", ""): "; did you mean 'optimizer'?; known: ",
    ("quux", "train"): "; known: ",
}


@pytest.mark.parametrize(("place", "hint"), MEANT.items())
def test_the_table_is_named(place, hint):
    key, table = place
    where = f"in [{table}]" if table else "at the top level"
    assert told({f"{table}.{key}".lstrip("."): 1}).startswith(f"unknown key {key!r} {where}{hint}")


@pytest.mark.parametrize("table", ["train", "checkpoint", "plugins", "train.scale_lr"])
def test_the_keys_that_messages_know_are_those_that_are_read(table):
    changes = {"train.scale_lr": {"rule": "linear", "quux": 1}} if "." in table else {f"{table}.quux": 1}
    place = "[train] scale_lr" if "." in table else f"[{table}]"
    assert told(changes).endswith(f"; known: {listed(PLACES[place])}")


def test_the_keys_of_the_top_level_are_those_that_are_read():
    assert sorted(PLACES[""]) == sorted(_KEYS)
