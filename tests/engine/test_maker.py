"""What a layer's build may ask for, and what it is told when it asks wrongly."""

from __future__ import annotations

import re

import numpy as np
import pytest

from dtrain.contracts import Layer
from dtrain.engine.maker import Inventory, Maker, build_layer
from tests.support import INITIALIZERS, Constant, initializer


@pytest.fixture
def inventory():
    return Inventory("float32", initializer)


@pytest.fixture
def make(inventory):
    return Maker(inventory, "dense_1")


def test_a_parameter_is_named_after_its_layer(make, inventory):
    p = make.parameter("weight", (4, 3), "drawn")
    assert (p.name, p.shape, p.role, p.trainable) == ("dense_1.weight", (4, 3), "weight", True)
    assert p.initializer is INITIALIZERS["drawn"]
    assert inventory.parameters == {"dense_1.weight": p}
    assert make.dtype == np.float32


def test_an_initializer_may_be_a_part(make):
    part = Constant(3)
    assert make.parameter("weight", (4, 3), part).initializer is part


def test_an_unknown_initializer_is_refused_by_whoever_knows_them(make):
    with pytest.raises(ValueError, match=r"^no initializer 'zero'; did you mean 'zeros'\?$"):
        make.parameter("weight", (4, 3), "zero")


@pytest.mark.parametrize(
    ("shape", "fans"), [((4, 3), (4, 3)), ((3, 3, 2, 8), (18, 8)), ((5,), (1, 5)), ((), (1, 1))]
)
def test_fans_are_all_dimensions_but_the_last_and_the_last(make, shape, fans):
    assert make.parameter("weight", shape, "zeros").fans == fans
    assert make.parameter("other", shape, "zeros", fans=(7, 9)).fans == (7, 9)


@pytest.mark.parametrize("role", ["weight", "bias", "scale"])
def test_a_role_is_kept(make, role):
    assert make.parameter("p", (2,), "zeros", role=role, trainable=False).role == role


def test_an_unknown_role_is_refused(make):
    with pytest.raises(ValueError, match=r"^role must be one of 'weight', 'bias', 'scale', got 'gamma'$"):
        make.parameter("p", (2,), "zeros", role="gamma")


@pytest.mark.parametrize("second", ["parameter", "state"])
@pytest.mark.parametrize("first", ["parameter", "state"])
def test_a_name_is_taken_once(make, first, second):
    ask = {"parameter": lambda: make.parameter("p", (2,), "zeros"), "state": lambda: make.state("p", (2,))}
    ask[first]()
    with pytest.raises(ValueError, match=r"^layer 'dense_1' already has a 'p'$"):
        ask[second]()


@pytest.mark.parametrize("dtype", ["float64", "int64", "float32"])
def test_a_state_is_an_array_filled_with_a_number(make, inventory, dtype):
    state = make.state("mean", (2, 3), 1, dtype)
    assert state.name == "dense_1.mean"
    assert state.value.dtype == np.dtype(dtype)
    assert state.value.tolist() == [[1] * 3] * 2
    assert inventory.states == {"dense_1.mean": state}


def test_a_state_is_zeros_of_float64_by_default(make):
    state = make.state("mean", (2,))
    assert (state.value.dtype, state.value.tolist()) == (np.float64, [0, 0])


def test_a_tied_parameter_is_the_other_layers_own(make, inventory):
    p = Maker(inventory, "encoder").parameter("weight", (2, 2), "zeros")
    assert make.tied("encoder.weight") is p


def test_tying_to_nothing_is_refused(make):
    with pytest.raises(ValueError, match=r"^no parameter 'encoder\.weight' above layer 'dense_1' to tie to$"):
        make.tied("encoder.weight")


class Inner(Layer):
    def build(self, shape, make):
        self.weight = make.parameter("weight", shape, "zeros")
        self.state = make.state("mean", shape)
        return (*shape, 2)


class Outer(Layer):
    def __init__(self):
        self.inner = Inner()

    def build(self, shape, make):
        self.weight = make.parameter("weight", shape, "zeros")
        return make.layer(self.inner, shape, "inner")


def test_a_layer_within_a_layer_is_named_after_both(inventory):
    assert build_layer(inventory, Outer(), (3,), "outer") == (3, 2)
    assert list(inventory.parameters) == ["outer.weight", "outer.inner.weight"]
    assert list(inventory.states) == ["outer.inner.mean"]
    assert {name: type(layer) for name, layer in inventory.layers.items()} == {
        "outer": Outer,
        "outer.inner": Inner,
    }


def test_a_layer_built_again_gets_what_it_made_before_and_so_do_those_within(inventory):
    layer = Outer()
    build_layer(inventory, layer, (3,), "first")
    before = layer.weight, layer.inner.weight, layer.inner.state
    assert build_layer(inventory, layer, (3,), "second") == (3, 2)
    assert (layer.weight, layer.inner.weight, layer.inner.state) == before
    assert list(inventory.parameters) == ["first.weight", "first.inner.weight"]


@pytest.mark.parametrize("shape", [None, 3, [3], (0,), (3, -1), (2.0,), ("3",)], ids=repr)
def test_a_build_that_returns_no_shape_is_refused(inventory, shape):
    class Bad(Layer):
        def build(self, given, make):
            return shape

    message = f"build of layer 'bad' must return a tuple of positive ints, got {shape!r}"
    with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
        build_layer(inventory, Bad(), (3,), "bad")


def test_numpys_integers_are_integers(inventory):
    class Counts(Layer):
        def build(self, shape, make):
            return (np.int64(3), *np.array([4]))

    shape = build_layer(inventory, Counts(), (3,), "layer")
    assert shape == (3, 4)
    assert [type(n) for n in shape] == [int, int]


# ---------------------------------------------------------------------- all layers


class Holds(Layer):
    def __init__(self, *layers, fits=""):
        self.layers, self.fits = layers, fits

    def build(self, shape, make):
        self.own = make.parameter("own", (2,), "zeros")
        for i, layer in enumerate(self.layers):
            make.layer(layer, shape, f"part_{i}")
        return shape


def test_every_layer_is_listed_once_outer_before_inner_ones_with_what_it_made(inventory):
    twice = Holds()
    inner = Holds(twice)
    outer = Holds(inner, twice)
    build_layer(inventory, outer, (3,), "outer")
    build_layer(inventory, twice, (3,), "again")
    names = {"outer": outer, "outer.part_0": inner, "outer.part_0.part_0": twice}
    assert list(inventory.layers.items()) == list(names.items())
    for name in names:
        assert [p.name for p in inventory.made_by(name)] == [f"{name}.own"]


def test_a_moment_to_learn_at_that_does_not_exist_is_refused(inventory):
    with pytest.raises(TypeError) as caught:
        build_layer(inventory, Holds(fits="begin"), (3,), "layer")
    assert str(caught.value) == "fits of layer 'layer' must be 'start', 'end' or '', got 'begin'"
