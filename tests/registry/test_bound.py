from __future__ import annotations

from datetime import date
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

from dtrain.contracts import Dataset, Initializer, Layer, Optimizer
from dtrain.errors import ConfigError, DataError, PluginError
from tests.support import refused


class Zeros(Initializer):
    pass


class Normal(Initializer):
    def __init__(self, std: float = 0.05) -> None:
        self.std = std


class Dense(Layer):
    def __init__(
        self,
        units: int,
        initializer: Initializer | str = "normal",
        bias: Initializer = Zeros(),  # noqa: B008
        seed: int | None = None,
        shape: tuple[int, ...] = (1, 2),
    ) -> None:
        self.initializer = initializer


class Sequential(Layer):
    def __init__(self, layers: list[Layer]) -> None: ...


class Mode(Enum):
    SAME = "same"


class Padded(Layer):
    def __init__(self, mode: Mode = Mode.SAME) -> None: ...


class Npz(Dataset):
    def __init__(self, path: Path) -> None: ...


class Fails(Optimizer):
    def __init__(self, error: Any = None) -> None:
        raise error


def makes_another() -> Optimizer:
    return Layer()  # type: ignore[return-value]


@pytest.fixture
def registry(registry_of):
    return registry_of(
        layers={"dense": Dense, "sequential": Sequential, "padded": Padded},
        initializers={"normal": Normal},
        datasets={"npz": Npz},
        optimizers={"fails": Fails, "makes_another": makes_another},
    )


def test_the_resolved_table_holds_every_option_that_is_not_none(registry):
    bound = registry.bind("layers", "dense", {"units": 3}, "here")

    assert bound.resolved() == {
        "name": "dense",
        "units": 3,
        "initializer": {"name": "normal", "std": 0.05},
        "shape": [1, 2],
    }


def test_the_resolved_table_binds_to_itself(registry):
    layers = [{"name": "dense", "units": 3, "id": "a", "inputs": ["b", "c"]}, {"name": "dense", "units": 4}]
    table = registry.bind("layers", "sequential", {"layers": layers}, "here").resolved()
    assert table["layers"][0]["inputs"] == ["b", "c"]

    again = registry.bind("layers", table["name"], {"layers": table["layers"]}, "here").resolved()

    assert again == table


def test_a_resolved_path_is_absolute(registry, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    table = registry.bind("datasets", "npz", {"path": "x.npz"}, "here").resolved()

    assert table == {"name": "npz", "path": f"{tmp_path}/x.npz"}


def test_an_enumeration_is_written_as_its_value(registry):
    assert registry.bind("layers", "padded", {"mode": "same"}, "here").resolved()["mode"] == "same"


def test_an_instance_that_was_given_cannot_be_written(registry):
    bound = registry.bind("layers", "dense", {"units": 3, "bias": Zeros()}, "[[network]] #1")

    with pytest.raises(ConfigError) as caught:
        bound.resolved()

    assert str(caught.value) == (
        "[[network]] #1 bias: expected a value that a config can hold, so that the run can be repeated, "
        "got an instance of Zeros"
    )


@pytest.mark.parametrize("value", [1.5, "x", True, [1, [2]], {"a": [1]}, date(2026, 1, 2)])
def test_what_toml_can_hold_is_kept(registry, value):
    assert registry.bind("optimizers", "fails", {"error": value}, "here").resolved()["error"] == value


def test_a_value_error_is_the_users_mistake_on_one_line(registry):
    bound = registry.bind(
        "optimizers", "fails", {"error": ValueError("lr must be > 0,\n got 0")}, "[optimizer]"
    )

    with pytest.raises(ConfigError) as caught:
        bound.build()

    assert str(caught.value) == "[optimizer]: optimizer 'fails': lr must be > 0, got 0"
    assert isinstance(caught.value.__cause__, ValueError)


def test_a_users_mistake_that_the_part_names_itself_stays_as_it_is(registry):
    error = DataError("x.npz: expected an array 'x', got none")
    bound = registry.bind("optimizers", "fails", {"error": error}, "[optimizer]")

    with pytest.raises(DataError) as caught:
        bound.build()

    assert caught.value is error
    assert not hasattr(error, "__notes__")


@pytest.mark.parametrize(
    ("where", "name", "ending"),
    [
        ("run.toml: [data]", "table.csv", "; check the path, or give another: --set data.path=FILE"),
        ("recipe 'mnist': [data]", "mnist", "; check the path, or give another: --set data.path=FOLDER"),
        ("[data], of", "x.npz", "; check the path, or give another: --set data.of.path=FILE"),
        (
            "a b: [[data.transform]] #2",
            "x",
            "; check the path, or give another: --set data.transform.1.path=FOLDER",
        ),
    ],
)
def test_a_file_that_is_not_there_is_told_how_to_give_another(where, name, ending, tmp_path, registry_of):
    class Reads(Dataset):
        def __init__(self, path: Path, other: Path = Path("nowhere")) -> None:
            if not path.exists():
                raise DataError(f"{path}: expected a file, got none; check the path")
            raise DataError(f"{path}: expected another file; write it again")

    path = tmp_path / name
    bound = registry_of(datasets={"reads": Reads}).bind("datasets", "reads", {"path": str(path)}, where)
    with refused(DataError, f"{path}: expected a file, got none{ending}"):
        bound.build()
    path.write_text("")
    with refused(DataError, f"{path}: expected another file; write it again"):
        bound.build()


@pytest.mark.parametrize("error", [TypeError("x"), KeyError("x"), RuntimeError("x")])
def test_any_other_error_goes_on_with_a_note(registry, error):
    bound = registry.bind("optimizers", "fails", {"error": error}, "[optimizer]")

    with pytest.raises(type(error)) as caught:
        bound.build()

    assert caught.value is error
    assert error.__notes__ == ["while building optimizer 'fails' from plugin 'acme' (given explicitly)"]


def test_the_note_names_distribution_and_version(site):
    source = """
        from dtrain.contracts import Optimizer
        from dtrain.registry import hookimpl

        class Adam(Optimizer):
            def __init__(self):
                raise KeyError("x")

        @hookimpl
        def dtrain_optimizers():
            return {"adam": Adam}
    """
    site.install("acme-dtrain", "1.2", {"acme": "acme_plugin"}, acme_plugin=source)
    from dtrain.registry import Registry

    with pytest.raises(KeyError) as caught:
        Registry.load().bind("optimizers", "adam", {}, "[optimizer]").build()

    assert caught.value.__notes__ == [
        "while building optimizer 'adam' from plugin 'acme' 1.2 (distribution acme-dtrain)"
    ]


def test_a_function_must_return_what_it_says(registry):
    with pytest.raises(PluginError) as caught:
        registry.bind("optimizers", "makes_another", {}, "here").build()

    assert str(caught.value) == (
        "optimizer 'makes_another' from plugin 'acme' (given explicitly): "
        "its factory must return an instance of Optimizer, got Layer"
    )
