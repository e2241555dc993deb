from __future__ import annotations

import inspect
import textwrap
import typing
from collections.abc import Mapping
from types import ModuleType

import pytest

from dtrain.contracts import KINDS
from dtrain.registry import Registry, hookspecs
from dtrain.registry.kinds import hook_of

SPECS = {name: value for name, value in vars(hookspecs).items() if name.startswith("dtrain_")}


def test_there_is_one_hook_for_each_kind_and_no_other():
    assert set(SPECS) == {hook_of(kind) for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_a_hook_returns_a_mapping_of_names_to_classes_of_its_contract(kind):
    spec = SPECS[hook_of(kind)]

    assert typing.get_type_hints(spec) == {"return": Mapping[str, type[KINDS[kind]]]}
    assert spec() == {}


@pytest.mark.parametrize("kind", KINDS)
def test_the_example_in_a_hooks_docstring_is_a_whole_plugin(kind, site):
    doc = inspect.getdoc(SPECS[hook_of(kind)])
    plugin = ModuleType("acme")
    exec(textwrap.dedent(doc.split("Example::")[1]), vars(plugin))

    registry = Registry.load(extra=[("acme", plugin)])

    (entry,) = registry.table()
    assert (entry.kind, entry.plugin) == (kind, "acme")
    options = {"loss": 0.1} if entry.name == "good_enough" else {}
    assert isinstance(registry.bind(kind, entry.name, options, "here").build(), KINDS[kind])
