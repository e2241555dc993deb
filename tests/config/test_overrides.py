from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dtrain.config.overrides import override
from dtrain.errors import ConfigError


@pytest.fixture
def tables() -> dict[str, Any]:
    return {
        "network": [{"name": "dense", "units": 3, "initializer": "zeros"}, {"name": "relu"}],
        "train": {"epochs": 2},
    }


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.01", 0.01),
        ("1e-3", 1e-3),
        ("3", 3),
        ("true", True),
        ("inf", float("inf")),
        ('"a b"', "a b"),
        ("[0.9, 0.999]", [0.9, 0.999]),
        ('{ name = "normal" }', {"name": "normal"}),
        ("adam", "adam"),
        ("/tmp/x.npz", "/tmp/x.npz"),
        ("~/data/x-1.npz", "~/data/x-1.npz"),
        ("../x.npz", "../x.npz"),
    ],
)
def test_values_are_toml_and_a_bare_word_is_a_string(text, value):
    tables: dict[str, Any] = {}

    override(tables, [f"optimizer.option={text}"])

    assert tables == {"optimizer": {"option": value}}
    assert type(tables["optimizer"]["option"]) is type(value)


def test_lists_are_entered_by_number(tables):
    override(tables, ["network.0.units=32", "network.1=tanh", " train . batch_size = 64 "])

    assert tables["network"] == [{"name": "dense", "units": 32, "initializer": "zeros"}, "tanh"]
    assert tables["train"] == {"epochs": 2, "batch_size": 64}


def test_a_step_in_quotes_may_hold_dots():
    tables: dict[str, Any] = {}

    override(tables, ['plugins.prefer."optimizers.adam"=acme'])

    assert tables == {"plugins": {"prefer": {"optimizers.adam": "acme"}}}


def test_a_mapping_sets_python_values():
    tables: dict[str, Any] = {"optimizer": {"name": "adam"}}
    betas = [0.9, 0.99]

    override(tables, {"optimizer.lr": 0.01, "optimizer.betas": betas})
    betas.append(3)

    assert tables == {"optimizer": {"name": "adam", "lr": 0.01, "betas": [0.9, 0.99]}}


def test_one_text_is_one_override(tables):
    override(tables, "train.epochs=3")

    assert tables["train"] == {"epochs": 3}


def test_steps_replace_the_files_epochs_but_both_asked_for_stay(tables):
    override(tables, ["train.steps=10"])
    assert tables["train"] == {"steps": 10}

    override(tables, ["train.epochs=1"])
    assert tables["train"] == {"epochs": 1}

    override(tables, ["train.epochs=1", "train.steps=10"])
    assert tables["train"] == {"epochs": 1, "steps": 10}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("optimizer.lr", "--set optimizer.lr: expected KEY=VALUE, such as optimizer.lr=0.01"),
        ("=3", "--set =3: expected KEY=VALUE, such as optimizer.lr=0.01"),
        ("a.=3", "--set a.=3: expected a key such as optimizer.lr, got a."),
        ("a b=3", "--set a b=3: expected a key such as optimizer.lr, got a b"),
        ("x=", "--set x=: expected a TOML value (strings in quotes), got nothing"),
        ("x=1.2.3", "--set x=1.2.3: expected a TOML value (strings in quotes), got 1.2.3"),
        ("x=two words", "--set x=two words: expected a TOML value (strings in quotes), got two words"),
        ("x=[1,", "--set x=[1,: expected a TOML value (strings in quotes), got [1,"),
        (
            "network.7.units=3",
            "--set network.7.units: expected the number of an entry of network, from 0 to 1, got 7",
        ),
        (
            "network.dense.units=3",
            "--set network.dense.units: expected the number of an entry of network, from 0 to 1, got dense",
        ),
        ("network.²=3", "--set network.²=3: expected a key such as optimizer.lr, got network.²"),
        (
            "network.0.initializer.std=3",
            '--set network.0.initializer.std: expected a table at network.0.initializer, got "zeros"',
        ),
        (
            "network.0.initializer.std.x=3",
            '--set network.0.initializer.std.x: expected a table at network.0.initializer, got "zeros"',
        ),
    ],
)
def test_what_leads_nowhere_is_named(tables, text, message):
    with pytest.raises(ConfigError) as caught:
        override(tables, [text])

    assert str(caught.value) == message


@settings(deadline=None)
@given(st.text(), st.text())
def test_any_text_is_set_or_refused_on_one_line(key, value):
    message = ""
    try:
        override({"network": [{}], "optimizer": {"name": "adam"}}, [f"{key}={value}"])
    except ConfigError as error:
        message = str(error)

    assert "\n" not in message
