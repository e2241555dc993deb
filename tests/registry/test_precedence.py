from __future__ import annotations

import itertools

import pytest

from dtrain.contracts import Activation, Layer, Optimizer
from dtrain.errors import ConfigError, PluginError
from dtrain.registry import Registry

LEVELS = {"tryfirst": {"tryfirst": True}, "plain": {}, "trylast": {"trylast": True}}


class Adam(Optimizer):
    pass


@pytest.fixture
def rivals(site, offering):
    """Makes plugins that all offer an optimizer `adam`: `rivals(acme="plain", builtin="trylast")`."""

    def make(**levels):
        return [
            (name, offering(LEVELS[level], optimizers={"adam": type(name, (Adam,), {})}))
            for name, level in levels.items()
        ]

    return make


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_tryfirst_beats_plain_beats_trylast_in_whatever_order_they_load(rivals, order):
    # names sort against the levels, and loading sorts by name
    plugins = rivals(c="tryfirst", b="plain", a="trylast")

    registry = Registry.load(extra=[plugins[place] for place in order])

    (entry,) = registry.table()
    assert (entry.plugin, entry.replaces) == ("c", "b, a")
    assert registry.factory("optimizers", "adam").__name__ == "c"


@pytest.mark.parametrize("level", LEVELS)
def test_a_tie_names_every_provider_and_both_ways_out(rivals, level):
    with pytest.raises(PluginError) as caught:
        Registry.load(extra=rivals(zeta=level, acme=level))

    assert str(caught.value) == (
        "the optimizer 'adam' is provided more than once: by plugin 'acme' (given explicitly), "
        "plugin 'zeta' (given explicitly); choose one with "
        '[plugins] prefer = {"optimizers.adam" = "acme"}, or leave one out with block = ["zeta"]'
    )


def test_a_tie_names_distributions_and_versions(site):
    source = """
        from dtrain.contracts import Optimizer
        from dtrain.registry import hookimpl

        @hookimpl
        def dtrain_optimizers():
            return {"adam": Optimizer}
    """
    site.install("acme-dtrain", "1.2", {"acme": "plugin_a"}, plugin_a=source)
    site.install("zeta-dtrain", "0.3", {"zeta": "plugin_z"}, plugin_z=source)

    with pytest.raises(PluginError) as caught:
        Registry.load()

    assert str(caught.value) == (
        "the optimizer 'adam' is provided more than once: by plugin 'acme' 1.2 (distribution acme-dtrain), "
        "plugin 'zeta' 0.3 (distribution zeta-dtrain); choose one with "
        '[plugins] prefer = {"optimizers.adam" = "acme"}, or leave one out with block = ["zeta"]'
    )


def test_a_tie_below_the_chosen_one_does_not_matter(rivals):
    registry = Registry.load(extra=rivals(zeta="trylast", acme="trylast", mine="plain"))

    assert registry.entry("optimizers", "adam").replaces == "acme, zeta"


def test_both_ways_out_of_a_tie_work(rivals):
    plugins = rivals(zeta="plain", acme="plain")

    preferred = Registry.load(extra=plugins, prefer={"optimizers.adam": "zeta"}).entry("optimizers", "adam")
    blocked = Registry.load(extra=plugins, block=["acme"]).entry("optimizers", "adam")

    assert (preferred.plugin, preferred.replaces) == ("zeta", "acme")
    assert (blocked.plugin, blocked.replaces) == ("zeta", None)


def test_a_preference_beats_every_level(rivals):
    plugins = rivals(acme="tryfirst", builtin="trylast")

    registry = Registry.load(extra=plugins, prefer={"optimizers.adam": "builtin"})

    assert registry.entry("optimizers", "adam").plugin == "builtin"


@pytest.mark.parametrize(
    ("key", "plugin", "message"),
    [
        (
            "optimizers.adam",
            "acmee",
            "[plugins] prefer: 'optimizers.adam' is not provided by a plugin 'acmee'; did you mean 'acme'?; "
            "it is provided by: 'acme'",
        ),
        (
            "optimizers.adamm",
            "acme",
            "[plugins] prefer: no plugin provides the optimizer 'adamm'; did you mean 'adam'?; "
            "installed: 'adam'",
        ),
        (
            "optimizer.adam",
            "acme",
            "[plugins] prefer: expected a key such as 'optimizers.adam', got 'optimizer.adam'; kinds: "
            "'activations', 'callbacks', 'datasets', 'exchanges', 'initializers', 'layers', 'losses', 'metrics', "
            "'optimizers', 'procedures', 'regularizers', 'schedules', 'transforms'",
        ),
    ],
)
def test_a_preference_that_cannot_be_met_is_an_error(rivals, key, plugin, message):
    with pytest.raises(ConfigError) as caught:
        Registry.load(extra=rivals(acme="plain"), prefer={key: plugin})

    assert str(caught.value) == message


def test_a_name_is_not_both_a_layer_and_an_activation(site, offering):
    plugins = [
        ("acme", offering(layers={"relu": Layer})),
        ("zeta", offering(activations={"relu": Activation})),
    ]

    with pytest.raises(PluginError) as caught:
        Registry.load(extra=plugins)

    assert str(caught.value) == (
        "the name 'relu' is both a layer, by plugin 'acme' (given explicitly), and an activation, by "
        "plugin 'zeta' (given explicitly); leave one out with [plugins] block = [\"zeta\"]"
    )
