from __future__ import annotations

from tests.cli.support import Place

GOOD = """
    import numpy as np

    from dtrain import Layer, Optimizer, hookimpl

    class Scale(Layer):
        def build(self, shape, make):
            self.a = make.parameter("a", shape, "ones", role="scale")
            return shape

        def forward(self, x, context):
            def backward(dy):
                context.gradient(self.a, lambda rows, out: np.sum(x[rows] * dy[rows], axis=0, out=out))
                return dy * self.a.value

            return x * self.a.value, backward

    class Adam(Optimizer):
        examples = [{}, {"lr": 0.05}]

        def __init__(self, lr: float = 0.1):
            self.lr = lr

        def update(self, value, gradient, context):
            value -= self.lr * gradient

    @hookimpl
    def dtrain_layers():
        return {"scale": Scale}

    @hookimpl
    def dtrain_optimizers():
        return {"adam": Adam}
"""
BARE = GOOD.replace("x[rows] * dy[rows]", "x * dy")  # all that the rank holds, for each of its shards


FILES = """
    from dtrain import Dataset, hookimpl

    class Files(Dataset):
        def __init__(self, path: str):
            pass

    @hookimpl
    def dtrain_datasets():
        return {"files": Files}
"""


def install(place, source, name="acme"):
    place.site.install(f"{name}-dtrain", "1.2", {name: f"{name}_plugin"}, **{f"{name}_plugin": source})


def test_a_good_plugin_passes_with_a_row_for_each_part(place: Place):
    install(place, GOOD)
    said = place.dtrain("plugins", "check", "acme")
    assert (said.code, said.err) == (0, "")
    head, layer, optimizer, _, last = said.out.splitlines()
    assert head.split() == ["PART", "PASSED", "FAILED", "EXPECTED", "ADVICE", "SKIPPED"]
    assert layer.split()[0] == "layers.scale"
    assert optimizer.split()[0] == "optimizers.adam"
    assert [row.split()[2] for row in (layer, optimizer)] == ["-", "-"]
    passed = sum(int(row.split()[1]) for row in (layer, optimizer))
    assert passed > 10
    assert last.startswith(f"{passed} checks passed, 0 failed")


def test_a_sum_over_the_wrong_rows_fails_and_is_explained(place: Place):
    install(place, BARE)
    said = place.dtrain("plugins", "check", "acme")
    assert (said.code, said.err) == (1, "")
    assert "layers.scale, split: failed\n  gradient of a, in shards of " in said.out
    assert "context.gradient sums x[rows] and dy[rows] only" in " ".join(said.out.split())
    assert [line for line in said.out.splitlines() if len(line) > 100] == []
    assert said.out.splitlines()[-1].split(";")[0].endswith(" failed")


def test_verbose_lists_every_check(place: Place):
    install(place, GOOD)
    said = place.dtrain("plugins", "check", "acme", "--verbose")
    rows = [line.split() for line in said.out.splitlines()]
    assert ["layers.scale", "passed", "split"] in rows
    assert ["optimizers.adam", "passed", "same_bits"] in rows


def test_what_is_announced_to_fail_is_no_failure(place: Place):
    mark = "expected_failed_checks = {'split': 'by design'}"
    install(place, BARE.replace("def build", f"{mark}\n\n        def build"))
    said = place.dtrain("plugins", "check", "acme")
    assert "layers.scale, split: fails, as its author announced\n  by design\n" in said.out
    assert "layers.scale, split: failed" not in said.out


def test_a_part_that_gives_way_to_another_plugins_is_checked_all_the_same(place: Place):
    install(place, GOOD)
    said = place.dtrain("plugins", "check", "dtrain-optimizers")
    assert said.code == 0
    assert "optimizers.adam" in said.out


def test_a_plugin_that_is_tied_with_another_can_be_checked(place: Place):
    install(place, GOOD)
    install(place, GOOD, "zeta")
    assert place.dtrain("plugins", "list").code == 2
    assert place.dtrain("plugins", "check", "zeta").code == 0


def test_a_part_without_examples_is_skipped_and_said_so(place: Place):
    install(place, FILES)
    said = place.dtrain("plugins", "check", "acme")
    assert said.code == 0
    assert (
        "datasets.files, examples: skipped\n  no examples: declare `examples`, or name a config" in said.out
    )


def test_a_plugin_that_is_not_installed_is_named_with_those_that_are(place: Place):
    said = place.dtrain("plugins", "check", "dtrain-layer")
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith(
        "dtrain: no plugin 'dtrain-layer' is installed; did you mean 'dtrain-layers'?; installed: "
        "'dtrain-activations', "
    )
