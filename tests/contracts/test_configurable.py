"""Ranges of options hold for whoever builds a part, and for whoever sets an option of an optimizer."""

from __future__ import annotations

import copy
import inspect
from typing import TYPE_CHECKING, Annotated

import pytest

from dtrain import Layer, Optimizer, Range
from dtrain.contracts import number_options
from dtrain.errors import OptionError, RunError
from tests.plugins.support import message_of

if TYPE_CHECKING:
    from elsewhere import Unknown

    from dtrain import Initializer


class Ranged(Optimizer):
    def __init__(
        self,
        lr: Annotated[float, Range(gt=0)] = 0.1,
        history: Annotated[int, Range(ge=1)] = 3,
        decay: Annotated[float, Range(ge=0, lt=1)] | None = None,
        mode: str = "a",
        start: Initializer | None = None,
    ) -> None:
        self.lr, self.history, self.decay, self.mode, self.start = lr, history, decay, mode, start


class Heir(Ranged):
    """Has the options of its base as **options, and one more."""

    def __init__(self, more: float = 1.0, **options: float) -> None:
        super().__init__(**options)
        self.more, self.options = more, options


class Stricter(Ranged):
    def __init__(self, lr: Annotated[float, Range(gt=0, le=1)] = 0.1) -> None:
        super().__init__(lr)


class WithoutInit(Ranged):
    pass


@pytest.mark.parametrize("make", [Ranged, Heir, WithoutInit])
@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("lr", -1, "lr must be positive, got -1"),
        ("lr", float("nan"), "lr must be positive, got nan"),
        ("lr", float("inf"), "lr must be finite, got inf"),
        ("lr", "fast", "lr must be a number, got 'fast'"),
        ("history", 2.5, "history must be a whole number, got 2.5"),
        ("history", True, "history must be a whole number, got True"),
        ("history", 0, "history must be at least 1, got 0"),
        ("decay", 1.0, "decay must be in [0, 1), got 1.0"),
    ],
)
def test_the_constructor_and_every_later_writer_meet_the_same_check(make, option, value, message):
    assert message_of(ValueError, lambda: make(**{option: value})) == message
    part = make()
    before = dict(vars(part))
    assert message_of(ValueError, lambda: setattr(part, option, value)) == message
    assert vars(part) == before


def test_what_is_in_range_is_taken_as_it_is():
    part = Ranged(0.5, 2, mode=None)  # a string is not looked at: the registry does, for a config
    part.lr, part.history, part.decay = 1, 7, 0.5
    part.anything = -1
    assert (part.lr, part.history, part.decay, part.mode, part.anything) == (1, 7, 0.5, None, -1)
    assert vars(copy.deepcopy(part)) == vars(part)


def test_a_subclass_may_narrow_a_range():
    assert message_of(ValueError, lambda: Stricter(2.0)) == "lr must be in (0, 1], got 2.0"
    assert message_of(ValueError, lambda: setattr(Stricter(), "lr", 2.0)) == "lr must be in (0, 1], got 2.0"
    Ranged(2.0)


def test_only_a_writer_after_the_constructor_fails_the_run():
    """What a plugin sets in a step is no mistake of the user's, and needs no traceback."""
    with pytest.raises(OptionError) as caught:
        Ranged().lr = -1
    assert isinstance(caught.value, RunError)
    with pytest.raises(ValueError, match="lr must be") as built:
        Ranged(-1)
    assert type(built.value) is ValueError


class Wide(Layer):
    """The attribute has another name, and annotations cannot be read by everybody."""

    def __init__(self, units: Annotated[int, Range(ge=1)], *rest: int) -> None:
        self.size, self.rest = units, rest


class Unreadable(Layer):
    def __init__(self, x: Unknown, units: Annotated[int, Range(ge=1)] = 1) -> None:
        self.units = units


def test_a_part_of_any_kind_is_checked_when_it_is_built_and_not_later():
    assert message_of(ValueError, lambda: Wide(0)) == "units must be at least 1, got 0"
    layer = Wide(2, 3, 4)
    layer.size = -1
    assert (layer.size, layer.rest) == (-1, (3, 4))
    assert Unreadable(None, units=0).units == 0  # the registry refuses such a part


def test_the_signature_stays_readable():
    assert list(inspect.signature(Ranged).parameters) == ["lr", "history", "decay", "mode", "start"]
    assert Ranged.__init__.__qualname__ == "Ranged.__init__"


def test_numbers_are_those_of_all_bases():
    assert list(number_options(Ranged)) == ["lr", "history", "decay"]
    assert list(number_options(Heir)) == ["lr", "history", "decay", "more"]
    assert number_options(Stricter)["lr"] == Annotated[float, Range(gt=0, le=1)]
