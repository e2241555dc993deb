from __future__ import annotations

from types import ModuleType

import pytest

from dtrain.errors import PluginError
from dtrain.registry import hookimpl, hookspecs
from dtrain.registry.manager import HOOKS, manager_of
from dtrain.registry.plugin import Plugin

ALL_HOOKS = ", ".join(repr(hook) for hook in sorted(HOOKS))


def plugin_with(**functions: object) -> Plugin:
    module = ModuleType("acme")
    vars(module).update(functions)
    return Plugin("acme", "acme-dtrain", "1.2", module)


def error_of(*plugins: Plugin) -> str:
    with pytest.raises(PluginError) as caught:
        manager_of(plugins)
    return str(caught.value)


@hookimpl
def dtrain_layers():
    return {}


def test_a_module_a_class_and_an_instance_can_be_plugins():
    class Static:
        @staticmethod
        @hookimpl
        def dtrain_layers():
            return {}

    class Bound:
        @hookimpl
        def dtrain_losses(self):
            return {}

    manager = manager_of(
        [plugin_with(dtrain_layers=dtrain_layers), Plugin("b", value=Static), Plugin("c", value=Bound())]
    )

    assert len(manager.hook.dtrain_layers.get_hookimpls()) == 2
    assert manager.hook.dtrain_losses() == [{}]


def test_a_mistyped_hook_is_named_with_the_one_that_was_meant():
    @hookimpl
    def dtrain_layer():
        return {}

    assert error_of(plugin_with(dtrain_layer=dtrain_layer)) == (
        "plugin 'acme' 1.2 (distribution acme-dtrain): dtrain_layer is marked @hookimpl but is no hook of "
        f"dtrain; did you mean 'dtrain_layers'?; hooks: {ALL_HOOKS}"
    )


def test_a_mistyped_specname_is_named_too():
    @hookimpl(specname="dtrain_lossses")
    def mine():
        return {}

    assert error_of(plugin_with(mine=mine)).startswith(
        "plugin 'acme' 1.2 (distribution acme-dtrain): dtrain_lossses is marked @hookimpl but is no hook of "
        "dtrain; did you mean 'dtrain_losses'?"
    )


def test_a_hook_of_a_later_dtrain_may_be_marked_optional():
    @hookimpl(optionalhook=True)
    def dtrain_exotics():
        return {}

    manager_of([plugin_with(dtrain_layers=dtrain_layers, dtrain_exotics=dtrain_exotics)])


def test_a_hook_without_its_mark_is_an_error():
    def dtrain_metrics():
        return {}

    assert error_of(plugin_with(dtrain_layers=dtrain_layers, dtrain_metrics=dtrain_metrics)) == (
        "plugin 'acme' 1.2 (distribution acme-dtrain): dtrain_metrics is not marked @hookimpl"
    )


def test_an_imported_specification_is_no_hook_of_the_plugin():
    manager_of([plugin_with(dtrain_layers=dtrain_layers, dtrain_losses=hookspecs.dtrain_losses)])


def test_a_plugin_without_hooks_is_an_error():
    assert error_of(plugin_with()) == (
        "plugin 'acme' 1.2 (distribution acme-dtrain) has no hook; "
        f"expected a function marked @hookimpl, one of: {ALL_HOOKS}"
    )


def test_a_hook_that_takes_an_argument_is_an_error():
    @hookimpl
    def dtrain_layers(config):
        return {}

    assert error_of(plugin_with(dtrain_layers=dtrain_layers)) == (
        "plugin 'acme' 1.2 (distribution acme-dtrain) has a hook that does not fit: "
        "Plugin 'acme' for hook 'dtrain_layers' hookimpl definition: dtrain_layers(config) "
        "Argument(s) {'config'} are declared in the hookimpl but can not be found in the hookspec"
    )


def test_a_wrapper_is_an_error():
    @hookimpl(wrapper=True)
    def dtrain_layers():
        return (yield)

    assert error_of(plugin_with(dtrain_layers=dtrain_layers)) == (
        "plugin 'acme' 1.2 (distribution acme-dtrain) has a wrapper, dtrain_layers: "
        "dtrain's hooks return parts and take none"
    )


def test_one_object_under_two_names_is_an_error():
    first = plugin_with(dtrain_layers=dtrain_layers)

    assert error_of(first, Plugin("twin", "acme-dtrain", "1.2", first.value)) == (
        "plugin 'twin' 1.2 (distribution acme-dtrain) is the same object as plugin 'acme'; "
        "keep one of the two entry points"
    )
