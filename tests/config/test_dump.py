from __future__ import annotations

import dataclasses
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dtrain.config import Part, dump, load, resolve, to_table
from dtrain.config.write import write
from dtrain.errors import ConfigError

TEXT = """\
name = "mine"
seed = 3

[data]
name = "npz"
validation = 0.2
seed = 0
path = "x.npz"

[[data.transform]]
name = "shift"
by = 2

[[network]]
name = "dense"
id = "a"
units = 10

[network.initializer]
name = "normal"
std = 0.01

[[network]]
name = "add"
inputs = [
    "a",
    "a",
]

[[network]]
name = "sequential"

[[network.layers]]
name = "relu"

[[network]]
name = "parallel"
branches = [
    [
        { name = "relu" },
    ],
    [],
]

[loss]
name = "mse"

[optimizer]
name = "adam"
lr = 0.001

[[schedule]]
name = "cosine"
of = "lr"
unit = "epoch"

[train]
steps = 100
batch_size = 256
order = "shuffled"
accumulate = 1
shards = "auto"
metrics = [
    "accuracy",
    { name = "top", k = 5 },
]
dtype = "float32"
non_finite = "stop"
stop_limit = 6.0
exchange = "exact"
check_replicas = 100

[[regularizer]]
name = "l2"
on = "weights"
layers = []

[checkpoint]
minutes = inf
keep = 3
best = true

[[callback]]
name = "early_stopping"

[procedure]
name = "lr_finder"
steps = 50

[plugins]
block = [
    "other",
]

[plugins.prefer]
"optimizers.adam" = "acme"
"""


def test_a_resolved_config_is_written_as_people_write_it():
    assert dump(load(tomllib.loads(TEXT))) == TEXT


def test_what_is_written_loads_as_the_same_config(tmp_path, tables):
    for number, source in enumerate((tables, tomllib.loads(TEXT))):
        config = load(source)
        file = tmp_path / f"{number}.toml"
        file.write_text(dump(config), encoding="utf-8")

        assert load(file) == config
        assert load(to_table(config)) == config


def test_resolve_replaces_the_options_of_every_part():
    config = load(tomllib.loads(TEXT))
    asked: list[tuple[str, str]] = []

    def table_of(kind: str, part: Part) -> dict[str, Any]:
        asked.append((kind, part.name))
        return {"name": part.name, **part.options, "extra": 1}

    resolved = resolve(config, table_of)

    assert asked == [
        ("datasets", "npz"),
        ("transforms", "shift"),
        ("layers", "dense"),
        ("layers", "add"),
        ("layers", "sequential"),
        ("layers", "parallel"),
        ("losses", "mse"),
        ("optimizers", "adam"),
        ("schedules", "cosine"),
        ("regularizers", "l2"),
        ("callbacks", "early_stopping"),
        ("procedures", "lr_finder"),
        ("metrics", "accuracy"),
        ("metrics", "top"),
        ("exchanges", "exact"),
    ]
    assert resolved.optimizer == Part(name="adam", options={"lr": 0.001, "extra": 1})
    assert resolved.network[0].id == "a"
    assert resolved.train.metrics[0].options == {"extra": 1}
    assert load(tomllib.loads(dump(resolved))) == resolved


def test_none_is_left_out_and_paths_are_strings(tables):
    config = load(tables)
    options = {"path": Path("/x/y"), "missing": None, "list": [1, None], "table": {"a": None}}
    config = dataclasses.replace(config, data=dataclasses.replace(config.data, options=options))

    assert to_table(config)["data"] == {
        "name": "digits",
        "validation": 0.0,
        "seed": 0,
        "path": "/x/y",
        "list": [1],
        "table": {},
    }


def test_a_value_that_toml_cannot_hold_is_named(tables):
    tables["optimizer"]["lr"] = 1j

    with pytest.raises(ConfigError) as caught:
        dump(load(tables))

    assert str(caught.value) == "expected options that TOML can hold, got 1j"


TEXTS = st.text(st.characters(codec="utf-8"), max_size=6)
VALUES = st.recursive(
    st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None)
@given(st.dictionaries(TEXTS, VALUES, max_size=4))
def test_any_tables_are_written_so_that_they_read_the_same(tables):
    assert tomllib.loads(write(tables)) == tables
