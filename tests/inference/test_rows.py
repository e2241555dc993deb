"""What comes out of inference for a row depends on that row alone, to the bit: every part, beside any other rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import numpy as np
import pytest

from dtrain import Layer
from dtrain.communicator import SerialCommunicator
from dtrain.contracts import ArrayRows, Output, Target
from dtrain.data import Blocks
from dtrain.engine import InferenceContext, Layout, Replica
from dtrain.engine.products import RowProducts
from dtrain.testing.data import inputs, targets
from dtrain.testing.passes import Options
from dtrain.testing.rows import LayerRunner
from dtrain.testing.subject import Subject, subjects
from dtrain.trainer.fit import check_part
from tests.plugins.support import registry
from tests.support import assert_other_bits, assert_same_bits, named, network, refused

REGISTRY = registry()
KINDS = ("layers", "activations", "losses", "metrics")
TABLE = [(entry.kind, entry.name) for entry in REGISTRY.table() if entry.kind in KINDS]
ROWS, SIZES = 150, (64, 4)
WIDE = (301, 304)


def cases(kind: str, name: str) -> Iterator[Subject]:
    """Every example of a part, and the same for a wide sample where the part takes one."""
    factory: Any = REGISTRY.factory(kind, name)
    for one in getattr(factory, "examples", None) or [{}]:
        yield from (subject for _, subject in subjects(kind, name, one, REGISTRY))
        if len(one.get("input", (8,))) == 1 and not callable(one.get("target")):
            wide = (s for width in WIDE for _, s in subjects(kind, name, one | {"input": (width,)}, REGISTRY))
            yield from islice(filter(fits, wide), 1)


def fits(subject: Subject) -> bool:
    """Whether the part takes samples of this width."""
    try:
        if subject.is_layer:
            return bool(subject.output)
        if subject.kind == "losses":
            check_part(subject.make(), Target(targets(subject, 2)), Output(subject.flat_input))
    except ValueError:
        return False
    return True


Results = dict[str, Any]


def of_layer(subject: Subject, dtype: Any) -> Callable[[Any, Any, InferenceContext], Results]:
    runner = LayerRunner(subject, SerialCommunicator(), 8, Options(dtype=dtype, training=False))

    def results(x: Any, _: Any, context: InferenceContext) -> Results:
        return {"y": runner.network.forward(x, context)[0]}

    return results


def of_part(subject: Subject, dtype: Any) -> Callable[[Any, Any, InferenceContext], Results]:
    part = subject.make()

    def results(x: Any, target: Any, context: InferenceContext) -> Results:
        values = part.forward(x, target, context)
        if subject.kind == "metrics":
            return {"values": values}
        if not isinstance(values[0], tuple):
            return {"values": values[0], "predict": part.predict(x)}
        return {"values": values[0][0], "weights": values[0][1], "predict": part.predict(x)}

    return results


def in_blocks(run: Any, x: Any, y: Any, size: int, products: RowProducts) -> Results:
    """What comes out for all rows, in blocks of this size."""
    context = InferenceContext(0, products)
    found: dict[str, list[Any]] = {}
    for block in Blocks(ArrayRows(x, y), size, 1, 0, 1, x.dtype):
        batch = block.batch
        context.begin(batch.layout, training=False, step=0, epoch=0, place=batch.place)
        context.layer = "layer"
        for name, array in run(batch.x, batch.y, context).items():
            found.setdefault(name, []).append(np.array(array)[: block.rows])
    return {name: np.concatenate(parts) for name, parts in found.items()}


def chosen(y: Any, rows: Any) -> Any:
    return None if y is None else y[rows]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("kind", "name"), TABLE, ids=[f"{kind}.{name}" for kind, name in TABLE])
def test_every_part_gives_a_row_the_same_bits_beside_any_others(kind, name, dtype):
    order = np.random.default_rng(0).permutation(ROWS)
    for subject in cases(kind, name):
        run = (of_layer if subject.is_layer else of_part)(subject, dtype)
        x, y = inputs(subject, ROWS).astype(dtype), targets(subject, ROWS)
        y = y.astype(dtype) if y is not None and y.dtype.kind == "f" else y
        products = RowProducts()
        for size in SIZES:
            with np.errstate(all="ignore"):
                found = in_blocks(run, x, y, size, products)
                for rows in [order, *(slice(a, a + n) for n in (1, 7, 64) for a in (0, 13, 85))]:
                    other = in_blocks(run, x[rows], chosen(y, rows), size, products)
                    for result, array in found.items():
                        assert_same_bits(other[result], array[rows])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_other_shapes_would_give_other_bits(dtype):
    """The control: as layers take rows in training, all at once, the same rows alone differ."""
    subject = next(s for s in cases("layers", "dense") if s.flat_input == WIDE[:1])
    runner = LayerRunner(subject, SerialCommunicator(), 1, Options(dtype=dtype, training=False))
    x, context = inputs(subject, ROWS).astype(dtype), runner.replica.context

    def at_once(rows: Any) -> Any:
        context.begin(Layout(len(rows), 1, 0, 1), training=False, step=0, epoch=0, place=0)
        return runner.network.forward(rows, context)[0].copy()

    assert_other_bits(np.concatenate([at_once(row[None]) for row in x]), at_once(x))


class Sneaky(Layer):
    """Takes the mean over the rows that it happens to see."""

    def forward(self, x: Any, context: Any) -> Any:
        context.sum(x)
        return x, lambda dy: dy


def test_a_layer_that_adds_over_rows_is_told_that_a_row_stands_alone():
    replica = Replica(network(named(Sneaky())), SerialCommunicator(), 1, 0)
    context = replica.inference
    context.begin(Layout(4, 1, 0, 1), training=False, step=0, epoch=0, place=0)
    with refused(
        RuntimeError,
        "layer 'layer_1' asked for a total over rows in inference, where a row's result depends on that row alone; "
        "keep what inference needs in a state",
        "in the forward of layer 'layer_1' (Sneaky)",
    ):
        replica.network.forward(np.zeros((4, 3), np.float32), context)
