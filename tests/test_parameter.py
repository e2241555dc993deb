"""Parameters, states, and where they lie in the flat arrays."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dtrain.parameter import ALIGN, ROLES, FlatLayout, Parameter, State, digest
from tests.support import Constant, refused


def parameter(name, shape, role="weight", value=None):
    made = Parameter(name, shape, role, Constant(0), (1, 1))
    made._value = np.zeros(shape, np.float32) if value is None else value
    return made


PARAMETERS = st.lists(
    st.tuples(st.lists(st.integers(0, 9), max_size=3), st.sampled_from(ROLES)), max_size=8
).map(lambda made: [parameter(f"p{i}", tuple(shape), role) for i, (shape, role) in enumerate(made)])


def test_a_parameter_says_what_it_is():
    p = parameter("dense_1.weight", [3, 4], "scale")
    assert (p.shape, p.size, p.fans, p.trainable, p.uses) == ((3, 4), 12, (1, 1), True, 1)
    assert repr(p) == "Parameter('dense_1.weight', shape=(3, 4), role='scale')"
    assert repr(State("bn.mean", np.zeros((2, 3)))) == "State('bn.mean', shape=(2, 3))"
    assert parameter("scalar", ()).size == 1


def test_the_value_of_a_parameter_that_is_not_placed_is_refused():
    p = Parameter("dense_1.weight", (3,), "weight", Constant(0), (1, 1))
    with refused(AssertionError, "parameter 'dense_1.weight' is not placed yet"):
        _ = p.value


@given(PARAMETERS, st.sampled_from([16, 64, 1024]))
def test_parameters_lie_by_role_aligned_and_apart(parameters, block):
    layout = FlatLayout(parameters, block)
    assert layout.size == layout.blocks * block
    assert layout.blocks >= 1
    assert list(layout.regions) == list(ROLES)
    end = 0
    for role, (start, stop) in layout.regions.items():
        assert start == end
        end = start
        for p in [p for p in parameters if p.role == role]:  # in the order of the network
            assert p.offset == end
            assert p.offset % ALIGN == 0
            end += -(-p.size // ALIGN) * ALIGN
        assert stop == end
    assert end <= layout.size < end + block + (end == 0)
    assert sorted(p.name for p in layout.parameters) == sorted(p.name for p in parameters)


@given(PARAMETERS)
def test_views_are_of_the_flat_array_and_do_not_overlap(parameters):
    layout = FlatLayout(parameters, 64)
    flat = np.zeros(layout.size)
    for i, p in enumerate(layout.parameters):
        view = layout.view(flat, p)
        assert view.shape == p.shape
        view[...] = i + 1
    for i, p in enumerate(layout.parameters):
        assert (layout.view(flat, p) == i + 1).all()
        assert (flat == i + 1).sum() == p.size


def test_a_network_without_parameters_has_one_block():
    layout = FlatLayout([], 1024)
    assert (layout.blocks, layout.size) == (1, 1024)


# ---------------------------------------------------------------------- digest


def arrays():
    return [parameter("a", (2,), value=np.array([1, 2], np.float32)), parameter("b", (0,))]


def test_a_digest_does_not_depend_on_the_order_or_on_memory():
    states = [State("s", np.zeros(3))]
    one = digest(arrays(), states)
    assert len(one) == 64
    assert digest(reversed(arrays()), states) == one
    strided = parameter("a", (2,), value=np.array([1, 9, 2, 9], np.float32)[::2])
    assert digest([strided, arrays()[1]], states) == one


@pytest.mark.parametrize(
    "other",
    [
        parameter("aa", (2,), value=np.array([1, 2], np.float32)),
        parameter("a", (2,), value=np.array([1, np.nextafter(np.float32(2), np.float32(3))], np.float32)),
        parameter("a", (2,), value=np.array([1, 2], np.float64)),
        parameter("a", (2, 1), value=np.array([[1], [2]], np.float32)),
        parameter("a", (2,), value=np.array([2, 1], np.float32)),
        parameter("a", (1,), value=np.array([1], np.float32)),
    ],
    ids=["name", "last bit", "dtype", "shape", "order of elements", "length"],
)
def test_a_digest_sees_every_change(other):
    assert digest([other, arrays()[1]], []) != digest(arrays(), [])


def test_a_digest_sees_states():
    seen = {digest(arrays(), [State("s", np.array(x))]) for x in (0.0, -0.0, 1)}
    assert len(seen | {digest(arrays(), [])}) == 4
