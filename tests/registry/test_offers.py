from __future__ import annotations

import functools

import pytest

from dtrain.contracts import Activation, Layer, Optimizer
from dtrain.errors import PluginError


class Adam(Optimizer):
    pass


def make_adam(lr: float = 1.0) -> Adam:
    return Adam()


def error_of(registry_of, **parts) -> str:
    with pytest.raises(PluginError) as caught:
        registry_of(**parts)
    return str(caught.value)


def test_a_part_is_a_class_or_a_function_that_says_what_it_returns(registry_of):
    registry = registry_of(
        optimizers={"adam": Adam, "made": make_adam, "partly": functools.partial(make_adam, lr=2.0)}
    )

    assert registry.names("optimizers") == ["adam", "made", "partly"]
    assert isinstance(registry.bind("optimizers", "partly", {}, "here").build(), Adam)


@pytest.mark.parametrize("name", ["Adam", "adam-w", "", "2nd", "adam_", "a__b", "ädam", 3])
def test_a_name_that_is_not_snake_case_is_an_error(registry_of, name):
    assert error_of(registry_of, optimizers={name: Adam}) == (
        "plugin 'acme' (given explicitly): the name of an optimizer must be snake_case, "
        f"such as 'leaky_relu', got {name!r}"
    )


@pytest.mark.parametrize("value", [[("adam", Adam)], None, Adam, "adam"])
def test_a_hook_that_returns_no_mapping_is_an_error(registry_of, value):
    assert error_of(registry_of, optimizers=value) == (
        "plugin 'acme' (given explicitly): its hook dtrain_optimizers must return a mapping of names to "
        f"classes, got {type(value).__name__}"
    )


@pytest.mark.parametrize("value", [int, Layer, 3, "adam", Adam(), lambda: Adam(), None])
def test_a_part_of_another_kind_is_an_error(registry_of, value):
    assert error_of(registry_of, optimizers={"adam": value}) == (
        "plugin 'acme' (given explicitly): the optimizer 'adam' must be a subclass of Optimizer, "
        f"or a function annotated to return one, got {value!r}"
    )


def test_a_plain_layer_is_no_activation(registry_of):
    class Plain(Layer):
        pass

    class Kept(Activation):
        pass

    assert registry_of(activations={"kept": Kept}).names("activations") == ["kept"]
    assert "must be a subclass of Activation" in error_of(registry_of, activations={"plain": Plain})


def test_a_hook_that_fails_is_named_with_the_place(site):
    source = """
        from dtrain.registry import hookimpl

        @hookimpl
        def dtrain_layers():
            return {"x": missing}
    """
    site.install("acme-dtrain", "1.2", {"acme": "acme_plugin"}, acme_plugin=source)
    from dtrain.registry import Registry

    with pytest.raises(PluginError) as caught:
        Registry.load()

    assert str(caught.value) == (
        "plugin 'acme' 1.2 (distribution acme-dtrain) failed in its hook dtrain_layers: "
        f"NameError: name 'missing' is not defined ({site.folder}/acme_plugin.py, line 6); "
        'repair or uninstall it, or skip it with [plugins] block = ["acme"]'
    )
