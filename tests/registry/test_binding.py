from __future__ import annotations

from pathlib import Path

import pytest

from dtrain.contracts import Activation, Dataset, Initializer, Layer, Optimizer
from dtrain.errors import ConfigError


class Adam(Optimizer):
    def __init__(self, lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999)) -> None:
        self.lr, self.betas = lr, betas


class Sgd(Optimizer):
    def __init__(self, lr: float, momentum: float = 0.0) -> None:
        self.lr, self.momentum = lr, momentum


class Anything(Optimizer):
    def __init__(self, lr: float = 1.0, **others: int) -> None:
        self.lr, self.others = lr, others


class Zeros(Initializer):
    pass


class Normal(Initializer):
    def __init__(self, std: float = 0.05) -> None:
        self.std = std


class Relu(Activation):
    pass


class Dense(Layer):
    def __init__(
        self, units: int, initializer: Initializer | str = "normal", activation: Activation | None = None
    ) -> None:
        self.units, self.initializer, self.activation = units, initializer, activation


class Sequential(Layer):
    def __init__(self, layers: list[Layer]) -> None:
        self.layers = layers


class Parallel(Layer):
    def __init__(self, branches: list[list[Layer]]) -> None:
        self.branches = branches


class Npz(Dataset):
    def __init__(self, path: Path = Path("default.npz")) -> None:
        self.path = path


@pytest.fixture
def registry(registry_of):
    return registry_of(
        optimizers={"adam": Adam, "sgd": Sgd, "anything": Anything},
        initializers={"zeros": Zeros, "normal": Normal},
        activations={"relu": Relu},
        layers={"dense": Dense, "sequential": Sequential, "parallel": Parallel},
        datasets={"npz": Npz},
    )


def test_options_reach_the_factory_as_their_annotations_have_them(registry):
    adam = registry.bind("optimizers", "adam", {"lr": 1, "betas": [0, 0.9]}, "[optimizer]").build()

    assert (adam.lr, adam.betas) == (1.0, (0.0, 0.9))
    assert type(adam.lr) is float


def test_nothing_is_called_before_build_and_each_build_is_new(registry):
    bound = registry.bind("layers", "dense", {"units": 3}, "[[network]] #1")

    first, second = bound.build(), bound.build()

    assert first is not second
    assert first.initializer is not second.initializer


@pytest.mark.parametrize(
    ("kind", "name", "options", "message"),
    [
        (
            "optimizers",
            "adamm",
            {},
            "here: no plugin provides the optimizer 'adamm'; did you mean 'adam'?; "
            "installed: 'adam', 'anything', 'sgd'",
        ),
        (
            "layers",
            "rellu",
            {},
            "here: no plugin provides the layer 'rellu'; did you mean 'relu'?; "
            "installed: 'dense', 'parallel', 'relu', 'sequential'",
        ),
        ("losses", "mse", {}, "here: no plugin provides the loss 'mse'; installed: none"),
        (
            "optimizers",
            "adam",
            {"beta": 0.9},
            "here: optimizer 'adam' from plugin 'acme' (given explicitly) has no option 'beta'; "
            "did you mean 'betas'?; it takes lr = 0.001, betas = [0.9, 0.999]",
        ),
        (
            "activations",
            "relu",
            {"slope": 0.1},
            "here: activation 'relu' from plugin 'acme' (given explicitly) has no option 'slope'; "
            "it takes no options",
        ),
        (
            "optimizers",
            "sgd",
            {"momentum": 0.9},
            "here: optimizer 'sgd' from plugin 'acme' (given explicitly) needs the option 'lr'; "
            "it takes lr, momentum = 0.0",
        ),
        (
            "optimizers",
            "sgd",
            {"lr": "fast"},
            'here lr: expected a number, got "fast"; '
            "an option of optimizer 'sgd' from plugin 'acme' (given explicitly)",
        ),
        (
            "optimizers",
            "adam",
            {"betas": [0.9]},
            "here betas: expected a list of 2: a number, a number, got [0.9]; "
            "an option of optimizer 'adam' from plugin 'acme' (given explicitly)",
        ),
        (
            "optimizers",
            "anything",
            {"other": 0.5},
            "here other: expected a whole number, got 0.5; "
            "an option of optimizer 'anything' from plugin 'acme' (given explicitly)",
        ),
        (
            "layers",
            "dense",
            {"units": 3, "initializer": "zeroes"},
            "here, initializer: no plugin provides the initializer 'zeroes'; did you mean 'zeros'?; "
            "installed: 'normal', 'zeros'",
        ),
        (
            "layers",
            "dense",
            {"units": 3, "initializer": {"name": "normal", "std": "x"}},
            'here, initializer std: expected a number, got "x"; '
            "an option of initializer 'normal' from plugin 'acme' (given explicitly)",
        ),
        (
            "layers",
            "dense",
            {"units": 3, "initializer": {"std": 1.0}},
            "here, initializer name: expected the name of one of the initializers, got nothing",
        ),
        (
            "layers",
            "dense",
            {"units": 3, "initializer": 3},
            "here initializer: expected the name or the table of an initializer, got 3; "
            "an option of layer 'dense' from plugin 'acme' (given explicitly)",
        ),
        (
            "layers",
            "dense",
            {"units": 3, "activation": "dense"},
            "here, activation: no plugin provides the activation 'dense'; 'dense' is a layer; installed: 'relu'",
        ),
        (
            "layers",
            "sequential",
            {"layers": ["relu", {"name": "dense"}]},
            "here, layers #2: layer 'dense' from plugin 'acme' (given explicitly) needs the option 'units'; "
            'it takes units, initializer = "normal", activation = nothing',
        ),
        (
            "layers",
            "sequential",
            {"layers": [{"name": "relu", "id": 3}]},
            "here, layers #1 id: expected a string, got 3",
        ),
        (
            "layers",
            "sequential",
            {"layers": [{"name": "relu", "inputs": "a"}]},
            'here, layers #1 inputs: expected a list of ids, got "a"',
        ),
    ],
)
def test_a_wrong_part_or_option_is_named(registry, kind, name, options, message):
    with pytest.raises(ConfigError) as caught:
        registry.bind(kind, name, options, "here")

    assert str(caught.value) == message


def test_an_option_that_is_a_part_takes_a_name_a_table_or_an_instance(registry):
    def initializer(value):
        return (
            registry.bind("layers", "dense", {"units": 3, "initializer": value}, "here").build().initializer
        )

    instance = Normal(0.3)
    assert type(initializer("zeros")) is Zeros
    assert initializer({"name": "normal", "std": 1}).std == 1.0
    assert initializer(instance) is instance


def test_the_default_name_of_a_part_is_built_too(registry):
    dense = registry.bind("layers", "dense", {"units": 3}, "here").build()

    assert type(dense.initializer) is Normal
    assert dense.activation is None


def test_a_default_that_is_not_installed_is_named(registry_of):
    registry = registry_of(layers={"dense": Dense})

    with pytest.raises(ConfigError) as caught:
        registry.bind("layers", "dense", {"units": 3}, "here")

    assert str(caught.value) == (
        "here, initializer: no plugin provides the initializer 'normal'; installed: none"
    )


def test_containers_get_layers_with_the_ids_that_their_tables_carry(registry):
    layers = [
        {"name": "dense", "units": 3, "id": "first"},
        "relu",
        {"name": "relu", "inputs": ["first"]},
    ]

    built = registry.bind("layers", "sequential", {"layers": layers}, "here").build().layers
    branches = registry.bind("layers", "parallel", {"branches": [layers, []]}, "here").build().branches

    assert [type(layer) for layer in built] == [Dense, Relu, Relu]
    assert built[0].id == "first"
    assert [layer.inputs for layer in built] == [(), (), ("first",)]
    assert [len(branch) for branch in branches] == [3, 0]


def test_a_relative_path_becomes_absolute_also_as_a_default(registry, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    assert registry.bind("datasets", "npz", {"path": "x.npz"}, "[data]").build().path == tmp_path / "x.npz"
    assert registry.bind("datasets", "npz", {}, "[data]").build().path == tmp_path / "default.npz"


def test_an_open_signature_takes_further_options_of_its_annotation(registry):
    part = registry.bind("optimizers", "anything", {"depth": 3}, "here").build()

    assert (part.lr, part.others) == (1.0, {"depth": 3})
