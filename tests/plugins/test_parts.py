"""What holds for every built-in part of every kind, whoever adds one: one table, no list of names."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import random as python_random
import re
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import dtrain
import dtrain_plugins
from dtrain import Solver, Stream
from dtrain.contracts import KINDS
from tests.plugins import support
from tests.plugins.optimizers.support import Pad, updated
from tests.plugins.support import (
    built,
    check,
    distance,
    examples_of,
    frozen,
    layers_and_activations,
    lone_context,
    run_layer,
    same_bits,
)

ROOT = Path(dtrain_plugins.__file__).parent
SOURCES = sorted(ROOT.rglob("*.py"))
FOLDERS = [path.name for path in sorted(ROOT.iterdir()) if (path / "__init__.py").exists()]


def parts_of(kind):
    """The built-in parts of a kind; a kind that has no folder yet has none."""
    if kind not in FOLDERS:
        return {}
    return getattr(importlib.import_module(f"dtrain_plugins.{kind}"), f"dtrain_{kind}")()


EVERY = [
    pytest.param(kind, name, part, id=f"{kind}.{name}")
    for kind in KINDS
    for name, part in parts_of(kind).items()
]
every_part = pytest.mark.parametrize(("kind", "name", "part"), EVERY)


def examples(kind):
    """The examples of a kind's parts, as parameters (make, extra)."""
    parts = layers_and_activations() if kind == "layers" else parts_of(kind)
    return pytest.mark.parametrize(
        ("make", "extra"),
        [
            pytest.param(partial(built, kind, name, options), extra, id=f"{name}{options or ''}")
            for name, _, options, extra in examples_of(parts)
        ],
    )


both_dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def test_each_folder_is_a_kind():
    assert set(FOLDERS) <= set(KINDS)
    assert {"layers", "activations", "initializers", "losses", "metrics", "optimizers"} <= set(FOLDERS)


def test_no_name_is_both_a_layer_and_an_activation():
    assert not parts_of("layers").keys() & parts_of("activations").keys()


@every_part
def test_is_named_after_its_file(kind, name, part):
    assert part.__module__ == f"dtrain_plugins.{kind}.{name}"
    assert part.__name__ == "".join(word.capitalize() for word in name.split("_"))
    assert issubclass(part, KINDS[kind])
    assert re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name)


def options_of(part):
    if part.__init__ is object.__init__:
        return []
    return list(inspect.signature(part).parameters.values())


@every_part
def test_says_what_it_is_and_what_each_option_means(kind, name, part):
    text = part.__dict__.get("__doc__") or ""
    first = text.splitlines()[0] if text else ""
    assert re.match(r"\S.{10,}", first)
    for option in options_of(part):
        # As "name: meaning", alone or in a list of names before the colon, or in its own sentence.
        assert re.search(rf"\b{option.name}\b(, \w+)*(:| \()|`{option.name}`", text), option.name
    if kind in ("layers", "activations"):
        assert "(rows" in text
    if kind in ("losses", "metrics"):
        assert "y: (rows" in text
        assert "target: " in text


@every_part
def test_every_option_is_annotated_and_no_default_can_be_changed(kind, name, part):
    for option in options_of(part):
        assert option.annotation is not inspect.Parameter.empty, option.name
        assert option.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD, option.name
        assert isinstance(option.default, (int, float, str, bool, tuple, type(None), type)), option.name


@every_part
def test_its_examples_build_and_name_its_options(kind, name, part):
    if kind == "datasets":
        return  # their examples are files, of their own tests
    assert part.examples
    known = {option.name for option in options_of(part)}
    required = {o.name for o in options_of(part) if o.default is inspect.Parameter.empty}
    for example in part.examples:
        options = support.options_of(example)
        assert required <= options.keys() <= known
        assert type(built(kind, name, options)) is part
        if kind != "layers" and "input" in example:
            assert kind in ("activations", "losses", "metrics", "transforms")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_only_what_a_stranger_may(path):
    """The standard library, NumPy, its own folder, the options' ranges, and what `import dtrain` gives everyone."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.split(".")[0]
                assert top == "numpy" or top in sys.stdlib_module_names, alias.name
                assert top != "random"
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            assert node.module is not None
            top = node.module.split(".")[0]
            if top == "dtrain":
                assert node.module == "dtrain", f"from {node.module} import …"
                assert {alias.name for alias in node.names} <= set(dtrain.__all__)
            else:
                assert top == "numpy" or top in sys.stdlib_module_names, node.module
                assert not node.module.startswith(("numpy.random", "random"))
        elif isinstance(node, ast.ImportFrom):
            depth = len(path.relative_to(ROOT).parts) - 1  # of its folder: a part knows that of its own kind
            assert node.level <= depth or (node.level, node.module) == (depth + 1, "ranges")
        elif isinstance(node, ast.Attribute) and node.attr == "random":
            assert not (isinstance(node.value, ast.Name) and node.value.id in ("np", "numpy"))


@pytest.fixture(autouse=True)
def no_global_randomness(monkeypatch):
    """Every way to a random number that is not dtrain's raises, and the global states stay as they were."""

    def forbidden(*args, **options):
        raise AssertionError("global randomness")

    for name in np.random.__all__:
        if not isinstance(getattr(np.random, name), type):
            monkeypatch.setattr(np.random, name, forbidden)
    for name in ("random", "uniform", "gauss", "randint", "shuffle", "choice", "getrandbits"):
        monkeypatch.setattr(python_random, name, forbidden)


def numbers(*shape, seed=0):
    return np.random.Generator(np.random.Philox(seed)).standard_normal(shape)


def shape_after(make, shape):
    return run_layer(make, np.zeros((0, *shape))).y.shape[1:]


@both_dtypes
@examples("layers")
@pytest.mark.parametrize("training", [True, False])
def test_a_layer_keeps_its_dtype_and_its_input(make, extra, dtype, training):
    """`run_layer` gives read-only arrays, and asserts contiguous ones of the promised shapes."""
    shape = extra["input"]
    x = numbers(7, *shape).astype(dtype)
    dy = numbers(7, *shape_after(make, shape), seed=1).astype(dtype)
    passed = run_layer(make, x, dy, sizes=(4, 0, 3), training=training)
    assert passed.y.dtype == passed.dx.dtype == dtype
    assert {g.dtype for g in passed.gradients.values()} <= {np.dtype(dtype)}
    assert np.isfinite(passed.y).all()


@examples("layers")
def test_a_layer_gives_float32_what_it_gives_float64(make, extra):
    shape = extra["input"]
    x, dy = numbers(9, *shape), numbers(9, *shape_after(make, shape), seed=1)
    x, dy = x.astype(np.float32), dy.astype(np.float32)
    single = run_layer(make, x, dy, sizes=(5, 4))
    double = run_layer(make, x.astype(np.float64), dy.astype(np.float64), sizes=(5, 4))
    assert distance(single.y, double.y) < 1e-5
    assert distance(single.dx, double.dx) < 1e-5
    for name, gradient in single.gradients.items():
        assert distance(gradient, double.gradients[name]) < 1e-5


@both_dtypes
@examples("layers")
@pytest.mark.parametrize("sizes", [(2,) * 5 + (1,) * 3, (1, 1, 0, 0, 0, 0, 0, 0)], ids=str)
def test_a_layer_gives_the_same_bits_on_any_number_of_ranks(make, extra, dtype, sizes):
    shape = extra["input"]
    x = numbers(sum(sizes), *shape).astype(dtype)
    dy = numbers(len(x), *shape_after(make, shape), seed=1).astype(dtype)
    whole = run_layer(make, x, dy, sizes=sizes)
    for ranks in (2, 3, 5):
        split = run_layer(make, x, dy, sizes=sizes, ranks=ranks)
        same_bits(split.y, whole.y)
        same_bits(split.dx, whole.dx)
        same_bits(split.gradients, whole.gradients)
        same_bits(split.states, whole.states)


@examples("layers")
def test_a_layer_can_be_differentiated_in_any_direction(make, extra):
    """By a complex step along a random direction; each layer's own tests go element by element."""
    if extra.get("complex") is False or make().surrogate:
        return  # the conformance kit takes differences there; a stand-in gradient is no derivative
    shape = extra["input"]
    x, v = numbers(6, *shape), numbers(6, *shape, seed=2)
    dy = numbers(6, *shape_after(make, shape), seed=1)
    dx = run_layer(make, x, dy, sizes=(4, 2)).dx
    moved = run_layer(make, x + 1e-30j * v, sizes=(4, 2)).y
    slope = (moved.imag * dy).sum() / 1e-30
    assert slope == pytest.approx((dx * v).sum(), rel=1e-9)
    assert abs(slope) > 1e-6


@examples("initializers")
def test_an_initializer_depends_on_its_stream_alone(make, extra):
    for shape in [(), (5,), (3, 4), (3, 3, 2, 4)]:
        values = make()(shape, (6, 4), Stream(0, "init", "w"))
        assert values.shape == shape
        assert values.dtype == np.float64
        assert np.isfinite(values).all()
        same_bits(values, make()(shape, (6, 4), Stream(0, "init", "w")))


@both_dtypes
@examples("optimizers")
def test_an_optimizer_keeps_dtypes_and_moves_against_the_gradient(make, extra, dtype):
    optimizer = make()
    if isinstance(optimizer, Solver):
        return  # it has a step of its own; see `dtrain.testing.solvers`
    value, gradient = np.zeros(9, dtype), numbers(9).astype(dtype)
    slots = [np.zeros(9, dtype) for _ in optimizer.slots]
    given = gradient.copy()
    updated(optimizer, value, gradient, Pad(dtype, 1), slots)
    assert (np.sign(value) == -np.sign(given)).all()
    assert {slot.dtype for slot in slots} <= {np.dtype(dtype)}
    assert np.isfinite(value).all()


@both_dtypes
@examples("losses")
def test_a_loss_keeps_its_dtype_and_its_input(make, extra, dtype):
    loss, shape = make(), extra["input"]
    y = frozen(numbers(7, *shape).astype(dtype))
    kind = extra.get("target", "real")
    if kind == "classes":
        target = frozen(np.resize(np.arange(shape[-1]), (7, *shape[:-1])))
    else:
        target = numbers(7, *shape, seed=1).astype(dtype)
        if kind in ("unit", "distribution"):
            target = np.exp(target - 4)
        if kind == "distribution":
            target /= target.sum(axis=-1, keepdims=True)
    check(loss, frozen(target), shape)
    values, backward = loss.forward(y, frozen(target), lone_context(7))
    if isinstance(values, tuple):
        values, weights = values
        assert (weights.shape, weights.dtype) == ((7,), dtype)
    assert isinstance(values, np.ndarray)
    assert values.shape == (7,)
    dy = backward()
    assert dy.shape == y.shape
    assert dy.flags.c_contiguous
    assert values.dtype in (dtype, np.float64)
    assert dy.dtype == loss.predict(y).dtype == dtype


@both_dtypes
@examples("regularizers")
def test_a_regularizer_adds_to_out_and_nothing_else(make, extra, dtype):
    regularizer, value = make(), frozen(numbers(9).astype(dtype))
    once, twice = np.zeros(9, dtype), np.ones(9, dtype)
    regularizer.gradient(value, once)
    regularizer.gradient(value, twice)
    assert distance(twice, 1 + once) < 1e-6
    assert isinstance(regularizer.penalty(value), float)


@examples("schedules")
def test_a_schedule_gives_factors(make, extra):
    factors = [make()(step, 20, step / 4) for step in range(20)]
    assert all(isinstance(factor, float) and factor >= 0 for factor in factors)


@pytest.mark.parametrize("kind", ["schedules", "callbacks"])
def test_state_survives_json(kind):
    for name, _, options, _ in examples_of(parts_of(kind)):
        before = built(kind, name, options).state()
        assert json.loads(json.dumps(before, allow_nan=False)) == before
        built(kind, name, options).load_state(before)
