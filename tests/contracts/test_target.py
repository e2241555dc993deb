"""What targets can be read as: by what their source says, by their type and values, by the shape of the output."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest

from dtrain.contracts import Loss, Metric, Output, Schema, Target, TargetKind, Transform
from dtrain.registry import Registry
from dtrain.trainer.fit import Fit
from tests.plugins.support import message_of

KINDS = tuple(kind for kind in get_args(TargetKind) if kind)
ONE_HOT = np.eye(3, dtype=int)[[0, 2, 1, 1]]
VALUES = {
    "numbers": (np.array([0.5, -2.0]), {"number"}),
    "counts": (np.array([0, 7]), {"number", "class"}),
    "0 and 1": (np.array([0, 1]), {"number", "class", "labels"}),
    "0.0 and 1.0": (np.array([0.0, 1.0]), {"number", "labels"}),
    "probabilities": (np.array([0.25, 0.5]), {"number", "labels"}),
    "-1 and 1": (np.array([-1, 1]), {"number", "labels"}),
    "nothing but -1": (np.array([-1, -1]), {"number", "labels"}),
    "-1, 0 and 1": (np.array([-1, 0, 1]), {"number"}),
    "bool": (np.array([True, False]), {"class", "labels"}),
    "one-hot": (ONE_HOT, {"number", "class", "labels", "distribution"}),
    "one-hot bool": (ONE_HOT.astype(bool), {"class", "labels", "distribution"}),
    "soft": (np.array([[0.25, 0.75, 0.0]]), {"number", "labels", "distribution"}),
    "sums of 2": (np.array([[1, 1, 0]]), {"number", "class", "labels"}),
    "a column of ones": (np.ones((4, 1)), {"number", "labels"}),
    "NaN": (np.array([[np.nan, 1.0]]), {"number"}),
    "complex": (np.array([1j]), set()),
    "no rows": (np.zeros((0, 3)), {"number", "labels", "distribution"}),
}
each_value = pytest.mark.parametrize(("values", "kinds"), VALUES.values(), ids=VALUES)


@each_value
def test_type_and_values_say_what_targets_can_be(values, kinds):
    assert {kind for kind in KINDS if not Target(values).reason(kind)} == kinds


SAID = {
    "number": {"number", "labels", "distribution"},
    "distribution": {"number", "labels", "distribution"},
    "labels": {"number", "labels"},
}


@each_value
@pytest.mark.parametrize("said", SAID)
def test_a_source_that_says_the_kind_leaves_fewer(said, values, kinds):
    target = Target(values, Schema(target_kind=said))
    assert {kind for kind in KINDS if not target.reason(kind)} == kinds & SAID[said]


@each_value
def test_classes_are_numbers_only_if_they_are_two(values, kinds):
    target = Target(values, Schema(target_kind="class"))
    two = "labels" in kinds
    assert {kind for kind in KINDS if not target.reason(kind)} == kinds & (
        {"class", "labels", "number"} if two else {"class"}
    )


@pytest.mark.parametrize(("classes", "kinds"), [(1, {"class"}), (2, {"class", "labels"}), (3, {"class"})])
def test_text_is_classes_alone_and_two_of_them_are_labels(classes, kinds):
    target = Target(np.arange(classes), Schema(classes=tuple("abc"[:classes])))
    assert {kind for kind in KINDS if not target.reason(kind)} == kinds


@pytest.mark.parametrize(
    ("values", "kinds", "output", "kind"),
    [
        (np.array([0, 2, 1, 1]), ("class", "distribution"), (3,), "class"),
        (ONE_HOT, ("class", "distribution"), (3,), "distribution"),
        (ONE_HOT, ("class", "distribution"), (3, 3), "class"),
        (np.array([0, 1]), ("class", "labels"), (1,), "labels"),
        (np.array([0, 0]), ("class", "labels"), (1,), "class"),
        (np.array([0.5]), ("number",), (1, 1), "number"),
        (np.array([0.5]), ("number",), (), "number"),
    ],
)
def test_targets_are_read_as_the_first_kind_that_fits(values, kinds, output, kind):
    assert Target(values).read(kinds, Output(output)) == kind


@pytest.mark.parametrize(
    ("values", "schema", "message"),
    [
        (
            np.array([1, 2]), Schema(target_kind="class"),
            "expected numbers for a network that gives (1,) a sample, but the target holds classes, as its source says",
        ),
        (
            np.array([0, 1]), Schema(targets=("kind",), classes=("cat", "dog")),
            "expected numbers for a network that gives (1,) a sample, but the target 'kind' is text with the classes "
            "'cat', 'dog'",
        ),
        (
            np.zeros((2, 2)), Schema(targets=("a", "b")),
            "expected numbers for a network that gives (1,) a sample, but the target has shape (2,), not (1,) or ()",
        ),
    ],
    ids=["said", "text", "shape"],
)  # fmt: skip
def test_a_refusal_says_why(values, schema, message):
    assert message_of(ValueError, lambda: Target(values, schema).read(("number",), Output((1,)))) == message


def test_a_class_beyond_the_outputs_is_named():
    assert message_of(
        ValueError,
        lambda: Target(np.array([0, 2]), Schema(classes=("cat", "dog", "fox"))).read(
            ("class",), Output((2,))
        ),
    ) == (
        "expected classes 0 to 1, one for each output of the network, but the target holds 2, 'fox'; "
        "correct the data, or give the last layer more units"
    )


# ---------------------------------------------------------------------- the door, for parts of others


def asking(contract):
    """A part that notes what it is asked."""

    class Asks(contract):
        def __init__(self):
            self.asked = []

        def check(self, target, output):
            self.asked.append((target, output))

    return Asks()


def door(**parts):
    return Fit(Registry({}), Output((3,)), **parts)


def test_a_part_that_does_not_say_what_it_takes_decides_by_itself():
    loss, metric, transform = asking(Loss), asking(Metric), asking(Transform)
    fit = door(loss=loss, metrics=[metric], transforms=[transform])
    fit(np.zeros((4, 7)))
    assert [len(part.asked) for part in (loss, metric, transform)] == [1, 1, 1]
    assert metric.loss is transform.loss is loss


def test_a_loss_that_needs_no_target_gets_by_without():
    loss, transform = asking(Loss), asking(Transform)
    door(loss=loss, transforms=[transform])(None)
    ((target, _),) = loss.asked
    assert target.missing
    assert not transform.asked
    with pytest.raises(ValueError, match=r"^expected a target for every sample, got data without targets$"):
        _ = target.values


def test_a_refusal_names_the_part_and_comes_before_its_own_check():
    loss, metric = asking(Loss), asking(Metric)
    metric.takes = ("number",)
    fit = door(loss=loss, metrics=[metric])
    assert message_of(ValueError, lambda: fit(np.zeros((4, 2)))) == (
        "Asks: expected numbers for a network that gives (3,) a sample, but the target has shape (2,), not (3,)"
    )
    assert not metric.asked
