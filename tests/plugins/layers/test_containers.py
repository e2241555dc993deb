"""residual and parallel: layers inside a layer."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from dtrain.engine import Network
from dtrain.errors import ConfigError
from dtrain_plugins.activations.tanh import Tanh
from dtrain_plugins.layers.batch_norm import BatchNorm
from dtrain_plugins.layers.dense import Dense
from dtrain_plugins.layers.dropout import Dropout
from dtrain_plugins.layers.flatten import Flatten
from dtrain_plugins.layers.parallel import Parallel
from dtrain_plugins.layers.residual import Residual
from tests.plugins.support import (
    built,
    check_gradients,
    distance,
    initializer,
    message_of,
    run_layer,
    same_bits,
)

RANDOM = np.random.Generator(np.random.Philox(8))
X, DY = RANDOM.standard_normal((2, 7, 4))
W1, W2 = RANDOM.standard_normal((4, 3)), RANDOM.standard_normal((3, 4))


def block():
    """Two dense layers, back to the width of the input, statistics of the batch in between."""
    return [Dense(3, bias=False), BatchNorm(), Tanh(), Dense(4)]


BLOCK = {
    "1.weight": W1,
    "2.gamma": RANDOM.standard_normal(3),
    "2.beta": RANDOM.standard_normal(3),
    "4.weight": W2,
    "4.bias": RANDOM.standard_normal(4),
}


def test_residual_adds_its_input():
    make = lambda: Residual([Dense(3, bias=False), Tanh(), Dense(4, bias=False)])  # noqa: E731
    values = {"1.weight": W1, "3.weight": W2}
    passed = run_layer(make, X, DY, values=values)
    hidden = np.tanh(X @ W1)
    assert distance(passed.y, X + hidden @ W2) < 1e-14
    inner = (DY @ W2.T) * (1 - hidden**2)
    assert distance(passed.dx, DY + inner @ W1.T) < 1e-14
    assert distance(passed.gradients["1.weight"], X.T @ inner) < 1e-14
    assert distance(passed.gradients["3.weight"], hidden.T @ DY) < 1e-14


def test_parallel_puts_branches_side_by_side_or_adds_them():
    branches = lambda: [[Dense(3, bias=False)], []]  # noqa: E731
    passed = run_layer(lambda: Parallel(branches()), X, np.ones((7, 7)), values={"1.1.weight": W1})
    assert distance(passed.y, np.hstack([X @ W1, X])) < 1e-14
    assert distance(passed.dx, np.ones((7, 3)) @ W1.T + 1) < 1e-14
    both = lambda: Parallel([[Tanh()], [], []], "sum")  # noqa: E731
    passed = run_layer(both, X, DY)
    assert distance(passed.y, np.tanh(X) + 2 * X) < 1e-14
    assert distance(passed.dx, DY * (3 - np.tanh(X) ** 2)) < 1e-14


@pytest.mark.parametrize("training", [True, False])
def test_residual_differentiates_through_batch_statistics(training):
    check_gradients(
        lambda: Residual(block()), X, DY, sizes=(3, 0, 4), values=BLOCK, training=training, tolerance=1e-10
    )


@pytest.mark.parametrize(("join", "width"), [("concat", 11), ("sum", 4)])
def test_parallel_differentiates(join, width):
    last = [Dense(4)] if join == "sum" else [Dense(3)]
    make = lambda: Parallel([block(), [], [Tanh(), *last]], join)  # noqa: E731
    values = {f"1.{name}": value for name, value in BLOCK.items()}
    values |= {"3.2.weight": W1 if join == "concat" else RANDOM.standard_normal((4, 4))}
    values |= {"3.2.bias": RANDOM.standard_normal(3 if join == "concat" else 4)}
    check_gradients(make, X, RANDOM.standard_normal((7, width)), sizes=(3, 4), values=values)


def test_joins_the_last_dimension_of_images():
    x = RANDOM.standard_normal((5, 2, 3, 4))
    passed = run_layer(lambda: Parallel([[Tanh()], []]), x, RANDOM.standard_normal((5, 2, 3, 8)))
    assert distance(passed.y, np.concatenate([np.tanh(x), x], axis=3)) < 1e-15
    check_gradients(lambda: Parallel([[Tanh()], []]), x[:2], RANDOM.standard_normal((2, 2, 3, 8)))


@pytest.mark.parametrize(
    "make", [lambda: Residual(block()), lambda: Parallel([block(), [Dropout()], []], "sum")]
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_gives_the_same_bits_on_any_number_of_ranks(make, dtype):
    x, dy = RANDOM.standard_normal((2, 23, 4)).astype(dtype)
    sizes = (4, 3, 3, 3, 3, 3, 2, 2)
    whole = run_layer(make, x, dy, sizes=sizes)
    for ranks in (1, 2, 3, 5):
        split = run_layer(make, x, dy, sizes=sizes, ranks=ranks)
        same_bits(split.y, whole.y)
        same_bits(split.dx, whole.dx)
        same_bits(split.gradients, whole.gradients)
        same_bits(split.states, whole.states)


def names_in(layer, shape=(4,)):
    network = Network([("box", layer)], shape, "f8", initializer)
    return [p.name for p in network.parameters] + [s.name for s in network.states]


def test_names_say_where_a_layer_is():
    assert names_in(Residual([Dense(4, bias=False), BatchNorm(scale=False, offset=False)])) == [
        "box.1.weight", "box.2.mean", "box.2.variance",
    ]  # fmt: skip
    assert names_in(Parallel([[], [Tanh(), Dense(2)]])) == ["box.2.2.weight", "box.2.2.bias"]


def test_is_built_from_a_config_with_ids():
    layers = [{"name": "dense", "units": 4, "id": "up"}, "tanh", {"name": "dense", "units": 4}]
    assert names_in(built("layers", "residual", {"layers": layers})) == [
        "box.up.weight", "box.up.bias", "box.3.weight", "box.3.bias",
    ]  # fmt: skip
    inner = built("layers", "parallel", {"branches": [layers, [{"name": "residual", "layers": ["tanh"]}]]})
    assert names_in(inner)[0] == "box.1.up.weight"


def test_layers_inside_have_random_numbers_of_their_own():
    """Two dropouts side by side drop other units, and neither changes when something is put in front."""
    ones = np.ones((40, 16))
    two = run_layer(lambda: Parallel([[Dropout()], [Dropout()]]), ones).y
    assert 0.3 < (two[:, :16] == two[:, 16:]).mean() < 0.7
    more = run_layer(lambda: Parallel([[Dropout()], [Tanh(), Dropout()], [Dropout()]]), ones).y
    same_bits(np.ascontiguousarray(more[:, :16]), np.ascontiguousarray(two[:, :16]))
    split = run_layer(lambda: Parallel([[Dropout()], [Dropout()]]), ones, sizes=(9, 0, 20, 11), ranks=3).y
    same_bits(split, two)


def test_the_layer_at_work_has_its_name_and_the_container_has_its_own_again():
    seen = []

    class Spy(Tanh):
        def forward(self, x, context):
            seen.append(context.layer)
            y, backward = super().forward(x, context)

            def back(dy):
                seen.append(context.layer)
                return backward(dy)

            return y, back

    class Outer(Residual):
        def forward(self, x, context):
            y, backward = super().forward(x, context)
            seen.append(context.layer)

            def back(dy):
                dx = backward(dy)
                seen.append(context.layer)
                return dx

            return y, back

    run_layer(lambda: Outer([Spy(), Spy()]), X, DY, name="box")
    forward, backward = ["box.1", "box.2", "box"], ["box.2", "box.1", "box"]
    assert seen[-6:] == forward + backward


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Residual([]), "residual needs at least one layer, got []"),
        (lambda: Parallel([]), "parallel needs at least one branch, got []"),
    ],
)
def test_refuses_to_hold_nothing(make, message):
    assert message_of(ValueError, make) == message


def with_keys(layer, **keys):
    for name, value in keys.items():
        setattr(layer, name, value)
    return layer


@pytest.mark.parametrize("around", [Residual, lambda layers: Parallel([layers])])
def test_refuses_inputs_and_equal_ids(around):
    prefix = "" if around is Residual else "1."
    assert message_of(ValueError, lambda: around([with_keys(Tanh(), inputs=("a", "b"))])) == (
        f"a layer inside a container takes the one above it, got inputs in layer '{prefix}1'"
    )
    assert message_of(ValueError, lambda: around([with_keys(Tanh(), id="a"), with_keys(Tanh(), id="a")])) == (
        f"ids inside a container must be unique, got '{prefix}a' twice"
    )


@pytest.mark.parametrize(
    ("make", "shape", "message"),
    [
        (
            lambda: Residual([Dense(3)]), (4,),
            "layer 'box' (Residual): residual adds its input, (4,) a sample, to what its layers give, got (3,)",
        ),
        (
            lambda: Residual([Tanh(), Dense(3)]), (2, 4),
            "layer 'box' (Residual): layer '2' inside: dense takes samples of one dimension, got (2, 4); "
            "put a flatten layer before it",
        ),
        (
            lambda: Parallel([[Dense(3)], [Dense(2)]], "sum"), (4,),
            "layer 'box' (Parallel): parallel adds its branches, which must give one shape, got (3,) and (2,)",
        ),
        (
            lambda: Parallel([[Flatten()], []]), (2, 4),
            "layer 'box' (Parallel): parallel joins its branches in the last dimension, so that the others must "
            "be alike, got (8,) and (2, 4)",
        ),
        (
            lambda: Parallel([[], []]), (),
            "layer 'box' (Parallel): parallel joins its branches in the last dimension, so that the others must "
            "be alike, got () and ()",
        ),
    ],
)  # fmt: skip
def test_refuses_shapes_that_do_not_fit(make, shape, message):
    assert message_of(ConfigError, lambda: names_in(make(), shape)) == message


@pytest.mark.parametrize("make", [partial(Residual, [Tanh()]), partial(Parallel, [[Tanh()], []], "sum")])
def test_takes_one_row_and_none(make):
    whole = run_layer(make, X, DY)
    same_bits(run_layer(make, X[2:3], DY[2:3]).dx, whole.dx[2:3])
    assert run_layer(make, X[:0], DY[:0]).dx.shape == (0, 4)
