"""Configs that are right but for a few places: recipes, a net of many parts, and every built-in part by itself."""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Iterator
from datetime import date
from functools import cache
from math import inf, nan, prod
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

from dtrain.config import load, recipes, resolve, to_table
from dtrain.config.plain import copied
from dtrain.registry import Registry
from dtrain.registry.signature import signature_of
from tests.many_parts import CONFIG as MANY_PARTS

SECTION = {
    "optimizers": "optimizer",
    "losses": "loss",
    "datasets": "data",
    "procedures": "procedure",
    "schedules": "schedule",
    "regularizers": "regularizer",
    "callbacks": "callback",
}
"""Where a part of each kind stands; layers, activations, initializers, metrics, exchanges and transforms are inside
others."""

PLAIN: dict[str, Any] = {
    "data": {"name": "npz", "path": "points.npz", "validation": 0.25},
    "network": [{"name": "dense", "units": 5, "activation": "tanh"}, {"name": "dense", "units": 3}],
    "loss": {"name": "softmax_cross_entropy"},
    "optimizer": {"name": "adam", "lr": 0.01},
    "train": {"steps": 1, "batch_size": 16, "metrics": ["accuracy"]},
}

TARGETS = ("real", "signs", "binary")
IMAGES = {"name": "npz", "path": "small.npz", "validation": 0.25}


def write_data(folder: Path) -> None:
    """16 grey images of 8×8 pixels in three classes, and points with other targets; those in classes are there."""
    random = np.random.Generator(np.random.PCG64(1))
    np.savez(folder / "small.npz", x=random.normal(size=(16, 8, 8, 1)), y=np.arange(16) % 3)
    x, y = random.normal(size=(24, 4)), random.normal(size=(24, 3))
    for target, values in zip(TARGETS, (y, np.sign(y), (y > 0).astype(int)), strict=True):
        np.savez(folder / f"{target}.npz", x=x, y=values)


@cache
def bases() -> list[dict[str, Any]]:
    """Returns configs that run, or nearly so."""
    found = [tomllib.loads(file.read_bytes().decode()) for name, file in recipes().items() if name != "mnist"]
    many = copy.deepcopy(MANY_PARTS)
    many["data"] = {**many["data"], "path": "images.npz"}
    registry = Registry.load()
    alone = [config for entry in registry.table() for config in _with(entry, registry)]
    return [_whole(config, registry) for config in (*found, many, PLAIN, *alone)]


def _whole(config: dict[str, Any], registry: Registry) -> dict[str, Any]:
    """Returns a config with every key and option written out."""

    def table_of(kind: str, part: Any) -> Any:
        return registry.bind(kind, part.name, part.options, part.where).resolved()

    return to_table(resolve(load(config), table_of))


def _with(entry: Any, registry: Registry) -> Iterator[dict[str, Any]]:
    factory = registry.find(entry.kind, entry.name, "here")[1]
    options = signature_of(factory, entry.name)
    for example in getattr(factory, "examples", [{}]):
        told = {
            key: value for key, value in example.items() if not options.takes(key)
        }  # for the checks alone
        part = {"name": entry.name} | {key: example[key] for key in example if options.takes(key)}
        shape = told.get("input", (8,))
        if all(isinstance(length, int) for length in shape):  # else a layer of several inputs
            yield _around(entry.kind, copied(part, ""), list(shape), told.get("target", "classes"))


def _around(kind: str, part: dict[str, Any], shape: list[int], target: str) -> dict[str, Any]:
    """Returns a config with a part in its place. shape: of what it takes. target: the kind of targets it is for."""
    config = copy.deepcopy(PLAIN)
    widths = {"losses": shape[-1], "metrics": shape[-1]}
    config["network"][-1]["units"] = widths.get(kind, 3)
    if target in TARGETS:
        config["data"] = {"name": "npz", "path": f"{target}.npz", "validation": 0.25}
        config["train"]["metrics"] = []
        config["loss"] = {"name": "mse"}
    if kind in SECTION:
        key = SECTION[kind]
        config[key] = [part] if key in ("schedule", "regularizer", "callback") else part
    elif kind == "metrics":
        config["train"]["metrics"] = [part]
    elif kind == "exchanges":
        config["train"]["exchange"] = part
    elif kind == "initializers":
        config["network"][0]["initializer"] = part
    elif kind == "transforms":
        config["data"] = {**IMAGES, "transform": [part]}
        config["network"].insert(0, {"name": "flatten"})
    else:
        first = [{"name": "dense", "units": prod(shape)}, {"name": "reshape", "shape": shape}]
        config["network"] = [*first, part, {"name": "flatten"}, {"name": "dense", "units": 3}]
    return config


def _deep(levels: int, inner: Any) -> Any:
    for _ in range(levels):
        inner = [inner]
    return inner


VALUES: list[Any] = [
    True,
    False,
    0,
    1,
    2,
    3,
    5,
    7,
    -1,
    -3,
    64,
    1000,
    10**5,
    10**9,
    2**31,
    2**32 + 1,
    2**62,
    2**63 - 1,
    2**63,
    -(2**63),
    10**30,
    0.0,
    -0.0,
    0.5,
    1.0,
    1.5,
    2.0,
    -1.0,
    -0.5,
    1e-8,
    1e-320,
    1e38,
    1e300,
    inf,
    -inf,
    nan,
    "",
    " ",
    "x",
    "relu",
    "lr",
    "auto",
    "zeros",
    "input",
    "dense_1",
    "none",
    "../..",
    "/",
    "~",
    "a\0b",
    "ü\u202e\n\t",
    "名",
    "a" * 300,
    "{}",
    [],
    [0],
    [1],
    [1, 2],
    [2, 2, 2],
    [-1, 4],
    [10**9, 10**9],
    [[]],
    [{}],
    [[], []],
    ["relu"],
    ["x", "x"],
    [0.5, 0.5],
    [nan],
    {},
    {"name": "relu"},
    {"name": "dense", "units": 3},
    {"name": "normal"},
    {"name": "nothing"},
    {"name": 3},
    {"x": {}},
    {"name": ["x"]},
    _deep(40, 1),
    _deep(40, "relu"),
    date(2020, 1, 1),
    {"name": "cosine"},
    {"name": "mse"},
]

_NUMBERS = [value for value in VALUES if isinstance(value, (int, float)) and not isinstance(value, bool)]
KEYS = [
    "x",
    "name",
    "units",
    "lr",
    "of",
    "on",
    "id",
    "inputs",
    "layers",
    "",
    "a.b",
    "naem",
    "ü\0",
    "validation",
    "unit",
]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yields the path to everything in a config."""
    if path:
        yield path
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in pairs:
        yield from places(item, (*path, key))


@st.composite
def mutated(draw: st.DrawFn) -> dict[str, Any]:
    """A config in which one to three places hold what they should not."""
    config = copy.deepcopy(draw(st.sampled_from(bases())))
    for _ in range(draw(st.sampled_from([1, 1, 1, 2, 3]))):
        path = draw(st.sampled_from([*places(config)] or [("train",)]))
        _mutate(draw, config, path)
    return short(config)


def _mutate(draw: st.DrawFn, config: Any, path: tuple[Any, ...]) -> None:
    inner = config
    for key in path[:-1]:
        inner = inner[key]
    last = path[-1]
    way = draw(
        st.sampled_from(["value"] * 6 + ["near"] * 6 + ["out", "key", "twice", "list", "table", "word"])
    )
    if last not in inner if isinstance(inner, dict) else False:
        return
    value = inner[last]
    if way == "value":
        inner[last] = copy.deepcopy(draw(st.sampled_from(VALUES)))
    elif way == "out":
        del inner[last]
    elif way == "key" and isinstance(value, dict):
        value[draw(st.sampled_from(KEYS))] = copy.deepcopy(draw(st.sampled_from(VALUES)))
    elif way == "twice" and isinstance(value, list):
        inner[last] = value + copy.deepcopy(value)
    elif way == "list":
        inner[last] = [value]
    elif way == "table":
        inner[last] = {draw(st.sampled_from(KEYS)): value}
    elif way == "word" and isinstance(value, str):
        inner[last] = value[:-1] + draw(st.sampled_from(["", "x", "\0", "é", value[-1:] * 2]))
    elif way == "near" and isinstance(value, bool):
        inner[last] = not value
    elif way == "near" and isinstance(value, (int, float)):
        inner[last] = draw(
            st.sampled_from([*_NUMBERS, -value, value + 1, value - 1, value * 1000, value / 2])
        )


def short(config: dict[str, Any]) -> dict[str, Any]:
    """Returns the config with one step, where it says well how long it takes: a long run is no mistake."""
    train = config.get("train")
    if isinstance(train, dict):
        for key in ("epochs", "steps"):
            length = train.get(key)
            if isinstance(length, int) and not isinstance(length, bool) and 1 <= length < 2**63:
                del train[key]
                train["steps"] = 1
    procedure = config.get("procedure")
    if isinstance(procedure, dict):
        for key, value in procedure.items():
            if isinstance(value, int) and 50 < value < 2**63:
                procedure[key] = 50
    return config
