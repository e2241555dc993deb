from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from dtrain.contracts import Initializer as Renamed
from dtrain.errors import PluginError
from dtrain.registry.signature import REQUIRED, Option, signature_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from elsewhere import Unknown

    from dtrain import Initializer
    from dtrain.types import Shape


class Typed:
    def __init__(
        self, initializer: Initializer, shape: Shape, path: Path, names: Sequence[str] = ()
    ) -> None: ...


class Untyped:
    def __init__(self, lr, momentum=0.9): ...


class WithoutInit:
    pass


class Open:
    def __init__(self, lr: float = 1.0, *rest: int, nesterov: bool, **options: float) -> None: ...


class Unreadable:
    def __init__(self, x: Unknown) -> None: ...


@dataclass
class Data:
    lr: float
    renamed: Renamed | None = None


def function(lr: float, momentum: float = 0.5) -> Typed:
    raise NotImplementedError


def test_annotations_may_name_what_is_imported_for_type_checkers_only():
    signature = signature_of(Typed, "layer 'typed'")

    annotations = {name: option.annotation for name, option in signature.options.items()}
    assert annotations["initializer"] is Renamed
    assert annotations["shape"] == tuple[int, ...]
    assert annotations["path"].__name__ == "Path"
    assert str(annotations["names"]) == "collections.abc.Sequence[str]"


def test_the_names_of_a_module_itself_come_first():
    scope: dict[str, Any] = {}
    exec("class Schedule: pass\ndef make(x: 'Schedule'): pass", scope)

    assert signature_of(scope["make"], "x").options["x"].annotation is scope["Schedule"]


def test_a_class_without_init_takes_no_options():
    signature = signature_of(WithoutInit, "layer 'x'")

    assert signature.options == {}
    assert str(signature) == "it takes no options"


def test_an_option_without_annotation_takes_anything():
    assert signature_of(Untyped, "x").options == {"lr": Option(Any, REQUIRED), "momentum": Option(Any, 0.9)}


def test_keywords_and_open_ends_are_seen():
    signature = signature_of(Open, "x")

    assert list(signature.options) == ["lr", "nesterov"]
    assert signature.rest == Option(float, REQUIRED)
    assert signature.takes("anything")
    assert signature.option("anything") is signature.rest
    assert signature.missing({"lr": 1.0}) == ["nesterov"]
    assert not signature_of(Untyped, "x").takes("anything")


def test_dataclasses_functions_and_partials_have_signatures_too():
    assert signature_of(Data, "x").options["renamed"].annotation == Renamed | None
    assert signature_of(function, "x").options["momentum"] == Option(float, 0.5)
    assert signature_of(functools.partial(function, lr=2.0), "x").options["lr"] == Option(float, 2.0)


def test_a_signature_is_told_with_its_defaults():
    assert str(signature_of(Untyped, "x")) == "it takes lr, momentum = 0.9"


def test_an_annotation_that_cannot_be_read_is_the_plugins_mistake():
    with pytest.raises(PluginError) as caught:
        signature_of(Unreadable, "layer 'x' from plugin 'acme' 1.2 (distribution acme-dtrain)")

    assert str(caught.value) == (
        "layer 'x' from plugin 'acme' 1.2 (distribution acme-dtrain): an option's annotation cannot be read: "
        "name 'Unknown' is not defined; import what it names at run time, too"
    )


def test_a_class_that_gets_another_init_is_read_anew(monkeypatch):
    class Part:
        def __init__(self, units: int = 1) -> None: ...

    def init(self, width: float = 2.0) -> None: ...

    assert [*signature_of(Part, "a part").options] == ["units"]
    monkeypatch.setattr(Part, "__init__", init)
    assert [*signature_of(Part, "a part").options] == ["width"]


def test_a_factory_that_cannot_be_hashed_is_read_as_well():
    class Makes:
        __hash__ = None

        def __call__(self, units: int = 1) -> None: ...

    assert [*signature_of(Makes(), "a part").options] == ["units"]
