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


NOISY = """
    import numpy as np

    from dtrain import Layer, hookimpl

    class Noisy(Layer):
        def __init__(self, std: float = 0.5):
            self.std = std

        def forward(self, x, context):
            return x + np.random.normal(0, self.std, x.shape).astype(x.dtype), lambda dy: dy

    @hookimpl
    def dtrain_layers():
        return {"noisy": Noisy}
"""


def test_a_root_cause_comes_first_and_what_follows_from_it_in_one_line(place: Place):
    install(place, NOISY)
    said = place.dtrain("plugins", "check", "acme")
    assert said.code == 1
    reason, follow = said.out.split("layers.noisy, ")[-1].split("\n\n")[0].split("\n  these follow from it: ")
    assert " ".join(reason.split()) == (
        "global_random: failed the part calls numpy.random.normal; draw from the context (context.uniform, normal, "
        "bernoulli), or from the stream that an initializer is given: the same numbers on any number of ranks"
    )
    assert "repeatable" in follow.split(", ")
    assert said.out.count(": failed") == 1
    assert f" passed, {1 + len(follow.split(', '))} failed; " in said.out.splitlines()[-1]


def test_options_that_no_example_sets_are_named(place: Place):
    install(place, NOISY)
    said = place.dtrain("plugins", "check", "acme")
    assert (
        "layers.noisy, examples: skipped\n  options that no example sets: 'std'; add an example with another value "
        "than the default\n"
    ) in said.out


SLIPS = """
    import numpy as np

    from dtrain import Layer, Transform, hookimpl

    class Forgets(Layer):
        def forward(self, x, context):
            return 2 * x

    class Keeps(Transform):
        def forward(self, x, y, context):
            return x[x[:, 0] > 0], y

    @hookimpl
    def dtrain_layers():
        return {"forgets": Forgets}

    @hookimpl
    def dtrain_transforms():
        return {"keeps": Keeps}
"""


def test_a_slip_is_told_once_for_all_checks(place: Place):
    install(place, SLIPS)
    told = " ".join(place.dtrain("plugins", "check", "acme").out.split())
    assert (
        "layers.forgets, contract: failed what forward returns: expected the pair (y, backward), got an array of shape "
        "(4, 8); end it by `return y, backward` these follow from it: no_mpi, "
    ) in told
    assert (
        "transforms.keeps, contract: failed rows of x: expected 4, got 2; a transform gives back as many rows as came: "
        "change samples, drop none, add none these follow from it: no_mpi, "
    ) in told
    assert told.count(": failed") == 2


DRAWS = """
    import numpy as np

    from dtrain import ArrayRows, Dataset, hookimpl

    class Draws(Dataset):
        def __init__(self, path: str, noise: float = 0.0):
            x = np.loadtxt(path, ndmin=2)
            self.train = ArrayRows(x + noise * np.random.normal(size=x.shape), np.arange(len(x)) % 2)

    @hookimpl
    def dtrain_datasets():
        return {"draws": Draws}
"""
CONFIG = """
[data]
name = "{data}"
path = "{path}"
noise = {noise}
[[network]]
name = "dense"
units = 2
[loss]
name = "softmax_cross_entropy"
[optimizer]
name = "{optimizer}"
[train]
epochs = 1
"""


def config(place, **values):
    (place.folder / "x.txt").write_text("\n".join(f"{i} {i % 3}" for i in range(12)))
    values = {"data": "draws", "path": place.folder / "x.txt", "noise": 0.0, "optimizer": "adam"} | values
    (place.folder / "run.toml").write_text(CONFIG.format(**values))
    return str(place.folder / "run.toml")


def test_a_dataset_that_needs_a_file_is_checked_with_a_config(place: Place):
    install(place, DRAWS.replace("noise * np.random.normal(size=x.shape)", "noise"))
    said = place.dtrain("plugins", "check", "acme", "--config", config(place, noise=0.5))
    assert (said.code, said.err) == (0, "")
    assert [line.split()[2:] for line in said.out.splitlines() if line.startswith("datasets.")] == [["-"] * 4]
    assert "skipped" not in said.out


def test_a_dataset_that_draws_rows_of_its_own_on_each_rank_is_found_with_a_config(place: Place):
    install(place, DRAWS)
    said = place.dtrain("plugins", "check", "acme", "--config", config(place, noise=0.5))
    assert said.code == 1
    assert (
        "datasets.draws, global_random: failed the part calls numpy.random.normal; draw from dtrain.Stream(seed, "
        "name), with an option `seed`: every rank builds the dataset, and all must hold the same samples these follow "
        "from it: repeatable, same_content" in " ".join(said.out.split())
    )


def test_a_config_without_a_part_of_the_plugin_is_refused(place: Place):
    install(place, GOOD)
    install(place, DRAWS, "zeta")
    path = config(place, optimizer="sgd")
    said = place.dtrain("plugins", "check", "acme", "--config", path)
    assert (said.code, said.out) == (2, "")
    assert said.err == (
        f"dtrain: {path}: expected a part of the plugin 'acme' in it, got none; name one in its tables\n"
    )


def test_a_file_that_is_missing_is_the_users_mistake(place: Place):
    install(place, DRAWS)
    said = place.dtrain("plugins", "check", "acme", "--config", "no.toml")
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("dtrain: no config 'no.toml': expected a TOML file or the name of a recipe")
