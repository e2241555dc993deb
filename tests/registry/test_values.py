from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dtrain.contracts import Initializer, Layer
from dtrain.registry.values import MismatchError, convert


def bind(contract: Any, kind: str, value: Any, where: str) -> object:
    return (kind, value, where)


@pytest.mark.parametrize(
    ("value", "annotation", "converted"),
    [
        (1, float, 1.0),
        (np.float32(0.5), float, 0.5),
        (np.float64(0.5), float, 0.5),
        (np.int64(3), int, 3),
        (True, bool, True),
        ([1, 2], tuple[float, float], (1.0, 2.0)),
        ((1, 2), list[float], [1.0, 2.0]),
        (3, int | float, 3),
        (None, int | None, None),
        ("same", Literal["same", "valid"], "same"),
        (3, Annotated[int, msgspec.Meta(ge=1)], 3),
        ({"a": 1}, Mapping[str, float], {"a": 1.0}),
        ([1, 2], float | list[float] | tuple[float, float], [1.0, 2.0]),
        (3, Any, 3),
        (print, Callable[[], int], print),
        (print, object, print),
        (Layer, type[Layer], Layer),
        (print, Callable[[], Layer], print),
        (np.float64(0.5), Any, 0.5),
    ],
)
def test_a_value_of_its_annotation_is_converted(value, annotation, converted):
    result = convert(value, annotation, "here", bind)

    assert result == converted
    assert type(result) is type(converted)


@pytest.mark.parametrize(
    ("value", "annotation"),
    [
        (True, int),
        (True, float),
        (1, bool),
        (1.0, int),
        ("1", int),
        (1, str),
        (None, int),
        ([1, 2, 3], tuple[float, float]),
        ("ab", list[str]),
        ("other", Literal["same", "valid"]),
        (0, Annotated[int, msgspec.Meta(ge=1)]),
        ("x", float | list[float] | tuple[float, float]),
        (3, Path),
        ("", Path),
        (3, Initializer),
        (Layer(), Initializer),
        ("dense", list[Layer]),
        ([3], list[Layer]),
        ("dense", Mapping[str, Layer]),
        (3, Initializer | None),
        (["a"], tuple[Path, Path]),
    ],
)
def test_a_value_of_another_type_is_refused(value, annotation):
    with pytest.raises(MismatchError):
        convert(value, annotation, "here", bind)


def test_paths_become_absolute_wherever_they_are(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/someone")

    assert convert("x.npz", Path, "here", bind) == tmp_path / "x.npz"
    assert convert("/data/x.npz", Path | None, "here", bind) == Path("/data/x.npz")
    assert convert("~/x.npz", Path, "here", bind) == Path("/home/someone/x.npz")
    assert convert(["a", "b"], list[Path], "here", bind) == [tmp_path / "a", tmp_path / "b"]


def test_parts_are_bound_wherever_they_are_with_their_place_in_the_message():
    table = {"name": "normal", "std": 0.01}

    assert convert("zeros", Initializer, "here", bind) == ("initializers", "zeros", "here")
    assert convert(table, Initializer | str, "here", bind) == ("initializers", table, "here")
    assert convert(None, Initializer | None, "here", bind) is None
    assert convert(["a", "b"], list[Layer], "here", bind) == [
        ("layers", "a", "here #1"),
        ("layers", "b", "here #2"),
    ]
    assert convert([["a"], []], list[list[Layer]], "here", bind) == [[("layers", "a", "here #1 #1")], []]
    assert convert({"x": "a"}, dict[str, Layer], "here", bind) == {"x": ("layers", "a", "here.x")}
    assert convert(["a", 3], tuple[Layer, int], "here", bind) == (("layers", "a", "here #1"), 3)
    assert convert("a", Annotated[Layer, "documented"], "here", bind) == ("layers", "a", "here")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
ANNOTATIONS = st.sampled_from(
    [
        int,
        float,
        str,
        bool,
        Path,
        Initializer,
        list[Layer],
        dict[str, Layer],
        int | None,
        tuple[int, Path],
        list,
    ]
)


@settings(deadline=None)
@given(VALUES, ANNOTATIONS)
def test_any_value_is_converted_or_refused(value, annotation):
    with contextlib.suppress(MismatchError):
        convert(value, annotation, "here", bind)
