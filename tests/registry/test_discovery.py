from __future__ import annotations

import sys

import pytest

from dtrain.errors import PluginError
from dtrain.registry.discovery import discover

EMPTY = ""


def test_plugins_are_found_through_their_entry_points_sorted_by_name(site):
    site.install("zeta", "0.1", {"zeta": "zeta_plugin"}, zeta_plugin=EMPTY)
    site.install("acme-dtrain", "1.2", {"acme": "acme_plugin", "acme-more": "acme_more"}, acme_plugin=EMPTY)
    (site.folder / "acme_more.py").write_text(EMPTY)

    plugins = discover()

    assert [str(plugin) for plugin in plugins] == [
        "plugin 'acme' 1.2 (distribution acme-dtrain)",
        "plugin 'acme-more' 1.2 (distribution acme-dtrain)",
        "plugin 'zeta' 0.1 (distribution zeta)",
    ]
    assert [plugin.value.__name__ for plugin in plugins] == ["acme_plugin", "acme_more", "zeta_plugin"]


def test_entry_points_of_other_groups_are_not_loaded(site):
    site.install("acme", "1", {"acme": "acme_plugin\n[other]\nx = no_such_module"}, acme_plugin=EMPTY)

    assert [plugin.name for plugin in discover()] == ["acme"]


def test_without_any_plugin_the_error_says_how_to_install(site):
    with pytest.raises(PluginError) as caught:
        discover()

    assert str(caught.value) == (
        "no plugin is installed, not even dtrain's own parts: "
        "install them with `pip install --force-reinstall dtrain`"
    )


def test_an_import_error_names_plugin_distribution_version_and_place(site):
    site.install("acme-dtrain", "1.2", {"acme": "acme_plugin"}, acme_plugin="\nimport no_such_module\n")

    with pytest.raises(PluginError) as caught:
        discover()

    assert str(caught.value) == (
        "plugin 'acme' 1.2 (distribution acme-dtrain) cannot be loaded from 'acme_plugin': "
        f"ModuleNotFoundError: No module named 'no_such_module' ({site.folder}/acme_plugin.py, line 2); "
        'repair or uninstall it, or skip it with [plugins] block = ["acme"]'
    )
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)


def test_a_syntax_error_is_named_by_its_own_place(site):
    site.install("acme", "1", {"acme": "acme_plugin"}, acme_plugin="x = (\n")

    with pytest.raises(PluginError) as caught:
        discover()

    assert str(caught.value) == (
        "plugin 'acme' 1 (distribution acme) cannot be loaded from 'acme_plugin': "
        "SyntaxError: '(' was never closed (acme_plugin.py, line 1); "
        'repair or uninstall it, or skip it with [plugins] block = ["acme"]'
    )


def test_an_entry_point_to_a_missing_attribute_is_an_error(site):
    site.install("acme", "1", {"acme": "acme_plugin:plugin"}, acme_plugin=EMPTY)

    with pytest.raises(PluginError, match="AttributeError: module 'acme_plugin' has no attribute 'plugin'"):
        discover()


def test_a_blocked_plugin_is_not_even_imported(site):
    site.install("acme", "1", {"acme": "acme_plugin"}, acme_plugin="import no_such_module")
    site.install("zeta", "1", {"zeta": "zeta_plugin"}, zeta_plugin=EMPTY)

    assert [plugin.name for plugin in discover(block=["acme"])] == ["zeta"]


def test_blocking_what_is_not_installed_is_no_mistake_but_a_typing_error_is(site):
    site.install("acme", "1", {"acme": "acme_plugin"}, acme_plugin=EMPTY)

    assert [plugin.name for plugin in discover(block=["zeta"])] == ["acme"]
    with pytest.raises(PluginError) as caught:
        discover(block=["acmee"])
    assert str(caught.value) == (
        "[plugins] block: no plugin 'acmee' is installed; did you mean 'acme'?; installed: 'acme'"
    )


def test_a_name_taken_by_two_distributions_is_an_error_that_names_both(site):
    site.install("acme-a", "1.0", {"acme": "plugin_a"}, plugin_a=EMPTY)
    site.install("acme-b", "2.0", {"acme": "plugin_b"}, plugin_b=EMPTY)

    with pytest.raises(PluginError) as caught:
        discover()

    assert str(caught.value) == (
        "the plugin name 'acme' is taken twice, by plugin 'acme' 1.0 (distribution acme-a) "
        "and by plugin 'acme' 2.0 (distribution acme-b); "
        "uninstall one of them, or rename its entry point"
    )


def test_one_distribution_seen_twice_is_one_plugin(site, monkeypatch):
    site.install("acme-dtrain", "1.2", {"acme": "acme_plugin"}, acme_plugin=EMPTY)
    again = type(site)(site.folder / "editable")
    again.install("acme.dtrain", "1.3", {"acme": "acme_plugin"})
    monkeypatch.setattr(sys, "path", [str(again.folder), *sys.path])

    (plugin,) = discover()

    assert str(plugin) == "plugin 'acme' 1.3 (distribution acme.dtrain)"  # the first on sys.path


def test_explicit_plugins_join_those_that_are_installed(site):
    site.install("zeta", "1", {"zeta": "zeta_plugin"}, zeta_plugin=EMPTY)

    plugins = discover(extra=[("mine", object()), ("blocked", object())], block=["blocked"])

    assert [str(plugin) for plugin in plugins] == [
        "plugin 'mine' (given explicitly)",
        "plugin 'zeta' 1 (distribution zeta)",
    ]


def test_an_explicit_plugin_cannot_take_a_name_but_may_be_the_same_object(site):
    site.install("zeta", "1", {"zeta": "zeta_plugin"}, zeta_plugin=EMPTY)
    (zeta,) = discover()

    assert discover(extra=[("zeta", zeta.value)]) == [zeta]
    with pytest.raises(PluginError) as caught:
        discover(extra=[("zeta", object())])
    assert str(caught.value) == (
        "the plugin name 'zeta' is taken twice, by plugin 'zeta' 1 (distribution zeta) "
        "and by plugin 'zeta' (given explicitly); uninstall one of them, or rename its entry point"
    )


def test_a_module_that_leaves_the_program_is_an_error(site):
    site.install("acme", "1", {"acme": "acme_plugin"}, acme_plugin="import sys\nsys.exit(0)\n")

    with pytest.raises(PluginError) as caught:
        discover()

    assert str(caught.value) == (
        "plugin 'acme' 1 (distribution acme) cannot be loaded from 'acme_plugin': "
        f"SystemExit: 0 ({site.folder}/acme_plugin.py, line 2); "
        'repair or uninstall it, or skip it with [plugins] block = ["acme"]'
    )
