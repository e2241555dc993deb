from __future__ import annotations

import copy
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dtrain.config import (
    CheckpointConfig,
    Config,
    DataPart,
    LayerPart,
    Part,
    PluginsConfig,
    RegularizerPart,
    ScaleConfig,
    SchedulePart,
    TrainConfig,
)
from dtrain.config.read import read
from dtrain.errors import ConfigError

ABSENT = object()
FULL: dict[str, Any] = {
    "name": "mine",
    "seed": 3,
    "data": {
        "name": "npz",
        "path": "x.npz",
        "validation": 0.2,
        "seed": 4,
        "transform": [{"name": "shift", "by": 2}],
    },
    "network": [
        {"name": "dense", "units": 10, "initializer": {"name": "normal", "std": 0.01}, "id": "a"},
        {"name": "add", "inputs": ["a", "a"]},
    ],
    "loss": {"name": "mse"},
    "optimizer": {"name": "adam", "lr": 1e-3},
    "schedule": [{"name": "cosine", "of": "lr", "unit": "epoch", "warmup": 3}],
    "train": {
        "steps": 100,
        "batch_size": 64,
        "order": "replacement",
        "accumulate": 2,
        "shards": 4,
        "metrics": ["accuracy", {"name": "top", "k": 5}],
        "dtype": "float64",
        "clip_norm": 1,
        "clip_value": 0.5,
        "non_finite": "skip",
        "time_limit": 60,
        "stop_limit": 2,
        "exchange": "exact",
        "scale_lr": {"rule": "sqrt", "reference": 32},
        "check_replicas": 0,
    },
    "regularizer": [{"name": "l2", "weight": 1e-4, "on": "biases", "layers": ["a"]}],
    "checkpoint": {"minutes": 5, "steps": 7, "keep": 1, "best": False},
    "callback": [{"name": "early_stopping", "patience": 5}],
    "procedure": {"name": "lr_finder", "steps": 50},
    "plugins": {"prefer": {"optimizers.adam": "acme"}, "block": ["other"]},
}


def test_every_key_is_read_and_the_engines_keys_are_no_options_of_a_part():
    assert read(FULL, "stem", "x.toml") == Config(
        name="mine",
        seed=3,
        data=DataPart(
            name="npz",
            options={"path": "x.npz"},
            validation=0.2,
            seed=4,
            transforms=(Part(name="shift", options={"by": 2}),),
        ),
        network=(
            LayerPart(
                name="dense",
                options={"units": 10, "initializer": {"name": "normal", "std": 0.01}},
                id="a",
            ),
            LayerPart(name="add", inputs=("a", "a")),
        ),
        loss=Part(name="mse"),
        optimizer=Part(name="adam", options={"lr": 1e-3}),
        schedules=(SchedulePart(name="cosine", of="lr", unit="epoch", options={"warmup": 3}),),
        train=TrainConfig(
            steps=100,
            batch_size=64,
            order="replacement",
            accumulate=2,
            shards=4,
            metrics=(Part(name="accuracy"), Part(name="top", options={"k": 5})),
            dtype="float64",
            clip_norm=1.0,
            clip_value=0.5,
            non_finite="skip",
            time_limit=60.0,
            stop_limit=2.0,
            scale_lr=ScaleConfig(rule="sqrt", reference=32),
            check_replicas=0,
        ),
        regularizers=(RegularizerPart(name="l2", options={"weight": 1e-4}, on="biases", layers=("a",)),),
        checkpoint=CheckpointConfig(minutes=5.0, steps=7, keep=1, best=False),
        callbacks=(Part(name="early_stopping", options={"patience": 5}),),
        procedure=Part(name="lr_finder", options={"steps": 50}),
        plugins=PluginsConfig(prefer={"optimizers.adam": "acme"}, block=("other",)),
    )


def test_the_least_config_has_the_defaults(tables):
    config = read(tables, "stem", "")

    assert config.train == TrainConfig(epochs=2)
    assert config.train.batch_size == 256
    assert config.train.shards == "auto"
    assert config.checkpoint == CheckpointConfig(minutes=10.0, steps=None, keep=3, best=True)
    assert config.plugins == PluginsConfig()
    assert (config.name, config.seed, config.data.validation) == ("stem", 0, 0.0)
    assert config.schedules == config.regularizers == config.callbacks == ()
    assert config.procedure is None


def test_every_part_knows_where_it_was_read():
    config = read(FULL, "stem", "x.toml")

    assert config.source == "x.toml"
    assert config.data.where == "x.toml: [data]"
    assert config.data.transforms[0].where == "x.toml: [[data.transform]] #1"
    assert [layer.where for layer in config.network] == ["x.toml: [[network]] #1", "x.toml: [[network]] #2"]
    assert config.optimizer.where == "x.toml: [optimizer]"
    assert config.train.metrics[1].where == "x.toml: [train] metrics #2"
    assert read(FULL, "stem", "").loss.where == "[loss]"


def test_a_name_alone_is_a_part_without_options(tables):
    tables |= {"loss": "mse", "network": ["flatten", *tables["network"]]}

    config = read(tables, "stem", "")

    assert config.loss == Part(name="mse")
    assert config.network[0] == LayerPart(name="flatten")


def test_preferences_may_be_written_without_quotes(tables):
    tables["plugins"] = {"prefer": {"optimizers": {"adam": "acme"}, "losses.mse": "zeta"}}

    assert read(tables, "stem", "").plugins.prefer == {"optimizers.adam": "acme", "losses.mse": "zeta"}


def test_the_tables_are_not_shared(tables):
    config = read(tables, "stem", "")
    tables["network"][0]["units"] = 3

    assert config.network[0].options == {"units": 10}


TRAIN_KEYS = (
    "'accumulate', 'batch_size', 'check_replicas', 'clip_norm', 'clip_value', 'dtype', 'epochs', 'exchange', "
    "'metrics', 'non_finite', 'order', 'scale_lr', 'shards', 'steps', 'stop_limit', 'time_limit'"
)
TOP_KEYS = (
    "'callback', 'checkpoint', 'data', 'loss', 'name', 'network', 'optimizer', 'plugins', 'procedure', 'regularizer', "
    "'schedule', 'seed', 'train'"
)
PREFER = 'x.toml: [plugins] prefer: expected a table such as { "optimizers.adam" = "acme" }, got '


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("seed", -1, "x.toml: seed: expected a whole number ≥ 0, got -1"),
        ("seed", 2**63, "x.toml: seed: expected a whole number ≥ 0, got a number beyond 2⁶³"),
        ("name", "a/b", 'x.toml: name: expected a name without a slash, got "a/b"'),
        (
            "optimiser",
            {"name": "adam"},
            "x.toml: unknown key 'optimiser' at the top level; did you mean 'optimizer'?; known: " + TOP_KEYS,
        ),
        ("data", ABSENT, "x.toml: [data]: expected this table, got nothing"),
        ("loss", ABSENT, "x.toml: [loss]: expected this table, got nothing"),
        ("optimizer", ABSENT, "x.toml: [optimizer]: expected this table, got nothing"),
        ("network", ABSENT, "x.toml: [[network]]: expected one layer or more, got none"),
        ("network", [], "x.toml: [[network]]: expected one layer or more, got none"),
        ("train", ABSENT, "x.toml: [train]: expected either epochs or steps, got neither"),
        ("train.steps", 3, "x.toml: [train]: expected either epochs or steps, got both"),
        ("train", 3, "x.toml: [train]: expected a table, got 3"),
        (
            "network",
            {"name": "dense"},
            'x.toml: [[network]]: expected a list of tables, [[network]], got { name = "dense" }',
        ),
        ("network.0", 3, "x.toml: [[network]] #1: expected a table with a name, got 3"),
        ("optimizer", 3, "x.toml: [optimizer]: expected a table with a name, got 3"),
        ("optimizer.name", ABSENT, "x.toml: [optimizer] name: expected a string, got nothing"),
        ("optimizer.name", "", 'x.toml: [optimizer] name: expected a string, got ""'),
        ("network.0.id", 3, "x.toml: [[network]] #1 id: expected a string, got 3"),
        ("network.0.inputs", "a", 'x.toml: [[network]] #1 inputs: expected a list of ids, got "a"'),
        ("network.0.inputs", [3], "x.toml: [[network]] #1 inputs: expected a list of ids, got [3]"),
        ("data.validation", 1, "x.toml: [data] validation: expected a number ≥ 0 and < 1, got 1"),
        (
            "data.validation",
            float("nan"),
            "x.toml: [data] validation: expected a number ≥ 0 and < 1, got nan",
        ),
        (
            "data.transform",
            {"name": "shift"},
            "x.toml: [[data.transform]]: expected a list of tables, [[data.transform]], "
            'got { name = "shift" }',
        ),
        ("data.transform", [{}], "x.toml: [[data.transform]] #1 name: expected a string, got nothing"),
        (
            "schedule",
            [{"name": "cosine", "unit": "day"}],
            'x.toml: [[schedule]] #1 unit: expected "step" or "epoch", got "day"',
        ),
        ("schedule", [{"name": "x", "of": 3}], "x.toml: [[schedule]] #1 of: expected a string, got 3"),
        (
            "regularizer",
            [{"name": "l2", "on": "all"}],
            'x.toml: [[regularizer]] #1 on: expected "weights" or "biases", got "all"',
        ),
        (
            "regularizer",
            [{"name": "l2", "layers": "a"}],
            'x.toml: [[regularizer]] #1 layers: expected a list of ids, got "a"',
        ),
        ("callback", "x", 'x.toml: [[callback]]: expected a list of tables, [[callback]], got "x"'),
        (
            "train.epoch",
            3,
            "x.toml: unknown key 'epoch' in [train]; did you mean 'epochs'?; known: " + TRAIN_KEYS,
        ),
        ("train.epochs", 0, "x.toml: [train] epochs: expected a whole number ≥ 1, got 0"),
        ("train.batch_size", "64", 'x.toml: [train] batch_size: expected a whole number ≥ 1, got "64"'),
        ("train.batch_size", 64.0, "x.toml: [train] batch_size: expected a whole number ≥ 1, got 64.0"),
        ("train.accumulate", True, "x.toml: [train] accumulate: expected a whole number ≥ 1, got true"),
        (
            "train.shards",
            "rank",
            'x.toml: [train] shards: expected "auto" or "ranks" or a whole number ≥ 1, got "rank"',
        ),
        (
            "train.metrics",
            "accuracy",
            'x.toml: [train] metrics: expected a list of names or tables, got "accuracy"',
        ),
        ("train.metrics", [3], "x.toml: [train] metrics #1: expected a table with a name, got 3"),
        ("train.dtype", "half", 'x.toml: [train] dtype: expected "float32" or "float64", got "half"'),
        ("train.clip_norm", 0, "x.toml: [train] clip_norm: expected a number > 0, got 0"),
        ("train.clip_value", "1", 'x.toml: [train] clip_value: expected a number > 0, got "1"'),
        ("train.non_finite", 1, 'x.toml: [train] non_finite: expected "stop" or "skip", got 1'),
        (
            "train.time_limit",
            10**400,
            "x.toml: [train] time_limit: expected a number > 0, got a number beyond 2⁶³",
        ),
        (
            "train.check_replicas",
            -1,
            "x.toml: [train] check_replicas: expected a whole number ≥ 0, got -1",
        ),
        ("train.stop_limit", 1.5, "x.toml: [train] stop_limit: expected 0 or a number ≥ 2, got 1.5"),
        ("train.stop_limit", -3, "x.toml: [train] stop_limit: expected 0 or a number ≥ 2, got -3"),
        ("train.exchange", 3, "x.toml: [train] exchange: expected a table with a name, got 3"),
        ("checkpoint", [], "x.toml: [checkpoint]: expected a table, got []"),
        (
            "checkpoint.minute",
            3,
            "x.toml: unknown key 'minute' in [checkpoint]; did you mean 'minutes'?; "
            "known: 'best', 'keep', 'minutes', 'steps'",
        ),
        ("checkpoint.minutes", 0, "x.toml: [checkpoint] minutes: expected a number > 0, got 0"),
        ("checkpoint.keep", 0, "x.toml: [checkpoint] keep: expected a whole number ≥ 1, got 0"),
        (
            "checkpoint.best",
            1,
            "x.toml: [checkpoint] best: expected true or false or the name of a metric, got 1",
        ),
        ("plugins.block", "acme", 'x.toml: [plugins] block: expected a list of names, got "acme"'),
        ("plugins.prefer", "acme", PREFER + '"acme"'),
        ("plugins.prefer", {"a": {"b": 3}}, PREFER + "{ a = { b = 3 } }"),
        ("optimizer.options", {3: 4}, "x.toml: expected keys that are strings, got 3"),
    ],
)
def test_a_wrong_key_or_value_is_named(tables, path, value, message):
    *before, last = path.split(".")
    inner: Any = tables
    for step in before:
        inner = inner[int(step)] if isinstance(inner, list) else inner.setdefault(step, {})
    if value is ABSENT:
        del inner[last]
    else:
        inner[int(last) if isinstance(inner, list) else last] = value

    with pytest.raises(ConfigError) as caught:
        read(tables, "stem", "x.toml")

    assert str(caught.value) == message


def test_ids_differ(tables):
    tables["network"] = [{"name": "dense", "id": "a"}, {"name": "relu"}, {"name": "dense", "id": "a"}]

    with pytest.raises(ConfigError) as caught:
        read(tables, "stem", "x.toml")

    assert str(caught.value) == (
        'x.toml: [[network]] #3 id: expected an id of its own, got "a", which [[network]] #1 has'
    )


SCALARS = (
    st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["auto", "step", "weights", "float64", date(2026, 1, 2), None])
)
KEYS = st.text(max_size=5) | st.sampled_from(["name", "id", "inputs", "epochs", "prefer", "transform", "on"])
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=8,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Returns the paths of all that is inside."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    inner = [place for key, item in items for place in places(item, (*path, key))]
    return [path, *inner] if path else inner


def outcome(tables: dict[str, Any]) -> str:
    """Returns the message of what is wrong with the tables."""
    try:
        return repr(read(tables, "stem", "x.toml")).replace("Config(", "x.toml: ", 1)
    except ConfigError as error:
        return str(error)


@settings(deadline=None)
@given(st.sampled_from(places(FULL)), VALUES)
def test_any_value_in_place_of_any_key_is_read_or_refused_on_one_line(path, value):
    tables = copy.deepcopy(FULL)
    inner: Any = tables
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value

    message = outcome(tables)
    assert "\n" not in message
    assert message.startswith("x.toml: ")


@settings(deadline=None)
@given(st.dictionaries(KEYS | st.sampled_from(sorted(FULL)), VALUES))
def test_any_tables_are_read_or_refused_on_one_line(tables):
    assert "\n" not in outcome(tables)
