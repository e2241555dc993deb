from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

from dtrain.contracts import Activation, Layer, Optimizer
from dtrain.errors import ConfigError, PluginError
from dtrain.registry import Entry, Registry


class Dense(Layer):
    pass


class Relu(Activation):
    pass


class Adam(Optimizer):
    pass


class Made(Optimizer):
    pass


def make() -> Optimizer:
    return Made()


@pytest.fixture
def registry(registry_of):
    return registry_of(
        layers={"dense": Dense}, activations={"relu": Relu}, optimizers={"adam": Adam, "made": make}
    )


def test_the_table_is_sorted_by_kind_and_name(registry):
    assert [(entry.kind, entry.name) for entry in registry.table()] == [
        ("activations", "relu"),
        ("layers", "dense"),
        ("optimizers", "adam"),
        ("optimizers", "made"),
    ]


def test_layers_find_activations_too(registry):
    assert registry.entry("layers", "dense").kind == "layers"
    assert registry.entry("layers", "relu").kind == "activations"
    assert registry.factory("layers", "relu") is Relu
    assert registry.bind("layers", "relu", {}, "here").kind == "activations"
    assert registry.names("layers") == ["dense"]
    with pytest.raises(PluginError) as caught:
        registry.entry("layers", "denes")
    assert str(caught.value) == (
        "no plugin provides the layer 'denes'; did you mean 'dense'?; installed: 'dense', 'relu'"
    )


def test_activations_do_not_find_layers(registry):
    with pytest.raises(PluginError) as caught:
        registry.factory("activations", "dense")

    assert str(caught.value) == (
        "no plugin provides the activation 'dense'; 'dense' is a layer; installed: 'relu'"
    )


def test_an_unknown_kind_is_named(registry):
    with pytest.raises(PluginError) as caught:
        registry.factory("optimizer", "adam")

    assert str(caught.value) == (
        "no kind of part is called 'optimizer'; did you mean 'optimizers'?; kinds: 'activations', "
        "'callbacks', 'datasets', 'exchanges', 'initializers', 'layers', 'losses', 'metrics', 'optimizers', "
        "'procedures', 'regularizers', 'schedules', 'transforms'"
    )


def test_the_owner_of_an_instance_a_class_and_a_derived_class_is_known(registry):
    class Derived(Adam):
        pass

    adam = registry.entry("optimizers", "adam")
    assert registry.owner(Adam()) == registry.owner(Adam) == registry.owner(Derived()) == adam
    assert registry.owner(object()) is None
    assert registry.owner(Optimizer()) is None


def test_the_owner_of_what_a_function_made_is_known(registry):
    part = registry.bind("optimizers", "made", {}, "here").build()

    assert registry.owner(part) == registry.entry("optimizers", "made")


def test_a_part_missing_here_that_a_run_had_says_what_to_install(site, offering):
    swish = Entry("activations", "swish", "acme", "acme-dtrain", "1.2")
    registry = Registry.load(extra=[("x", offering(layers={"dense": Dense}))], recorded=[swish.as_dict()])

    with pytest.raises(ConfigError) as caught:
        registry.bind("layers", "swish", {}, "[[network]] #2")

    assert str(caught.value) == (
        "[[network]] #2: no plugin provides the layer 'swish'; the run had it from "
        "plugin 'acme' 1.2 (distribution acme-dtrain): install it with `pip install acme-dtrain==1.2`"
    )


def test_dtrains_own_parts_come_through_entry_points_and_give_way(site):
    builtin = """
        from dtrain.registry import hookimpl

        @hookimpl(trylast=True)
        def dtrain_optimizers():
            from dtrain.contracts import Optimizer

            return {"adam": Optimizer, "sgd": Optimizer}
    """
    stranger = builtin.replace("(trylast=True)", "").replace(', "sgd": Optimizer', "")
    site.install("dtrain", "0.1.0", {"dtrain-optimizers": "own_optimizers"}, own_optimizers=builtin)
    site.install("acme-dtrain", "1.2", {"acme": "acme_plugin"}, acme_plugin=stranger)

    assert Registry.load().table() == [
        Entry("optimizers", "adam", "acme", "acme-dtrain", "1.2", replaces="dtrain-optimizers"),
        Entry("optimizers", "sgd", "dtrain-optimizers", "dtrain", "0.1.0"),
    ]


def test_the_registry_imports_neither_mpi_nor_the_engine():
    code = """
        import sys
        import dtrain.registry
        print(sorted(name for name in sys.modules if name.split(".")[0] in ("mpi4py", "dtrain_plugins")
            or name.startswith(("dtrain.engine", "dtrain.config", "dtrain.communicator"))))
    """
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True
    )

    assert run.stdout.strip() == "[]"


ADAM = Entry("optimizers", "adam", "acme", "acme-dtrain", "1.2", replaces="dtrain-optimizers")


def test_a_part_that_another_plugin_would_provide_is_refused_with_both_ways_out(site, offering):
    plugins = [("builtin", offering(optimizers={"adam": Adam}))]

    with pytest.raises(PluginError) as caught:
        Registry.load(extra=plugins, recorded=[ADAM.as_dict()]).bind("optimizers", "adam", {}, "[optimizer]")

    assert str(caught.value) == (
        "[optimizer]: the run had the optimizer 'adam' from plugin 'acme' 1.2 (distribution acme-dtrain), here "
        "it comes from plugin 'builtin' (given explicitly): install it with `pip install acme-dtrain==1.2`, or "
        'go on with this one by [plugins] prefer = {"optimizers.adam" = "builtin"}'
    )
    for ask in ({"prefer": {"optimizers.adam": "builtin"}}, {"block": ["acme"]}):
        registry = Registry.load(extra=plugins, recorded=[ADAM.as_dict()], **ask)
        assert type(registry.bind("optimizers", "adam", {}, "[optimizer]").build()) is Adam


def test_another_version_of_the_recorded_plugin_goes_on(site, offering):
    plugins = [("acme", offering(optimizers={"adam": Adam}))]

    Registry.load(extra=plugins, recorded=[ADAM.as_dict()]).bind("optimizers", "adam", {}, "[optimizer]")


def test_a_missing_part_that_was_given_explicitly_says_so(site, offering):
    mine = Entry("optimizers", "mine", "notebook", None, None)
    registry = Registry.load(extra=[("x", offering(optimizers={"adam": Adam}))], recorded=[mine.as_dict()])

    with pytest.raises(ConfigError) as caught:
        registry.bind("optimizers", "mine", {}, "[optimizer]")

    assert str(caught.value) == (
        "[optimizer]: no plugin provides the optimizer 'mine'; "
        "the run had it from plugin 'notebook' (given explicitly): give that plugin again"
    )


@pytest.mark.parametrize(
    ("kind", "name", "hint"),
    [
        ("activations", "ReLU", "did you mean 'relu'?"),
        ("layers", "Linear", "did you mean 'dense'?"),
        ("layers", "BatchNorm1d", "did you mean 'batch_norm'?"),
        ("losses", "CrossEntropyLoss", "did you mean 'softmax_cross_entropy'?"),
        ("losses", "MSELoss", "did you mean 'mse'?"),
        ("initializers", "XavierUniform", "did you mean 'glorot_uniform'?"),
        ("schedules", "ReduceLROnPlateau", "did you mean 'plateau'?"),
        ("optimizers", "cosine", "'cosine' is a schedule"),
        ("metrics", "mse", "'mse' is a loss"),
    ],
)
def test_a_name_of_another_library_or_kind_is_told_the_right_one(kind, name, hint):
    with pytest.raises(PluginError) as raised:
        Registry.load().factory(kind, name)
    assert f"{name!r}; {hint}; installed: " in str(raised.value)
