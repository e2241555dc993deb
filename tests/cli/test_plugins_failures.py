"""What a user reads when a plugin is broken, in conflict, or fails in the middle of a run."""

from __future__ import annotations

import json
import os
import platform
import shutil

import pytest

from dtrain import __version__
from dtrain.contracts import KINDS
from tests.cli.support import Place
from tests.mpirun import python_path
from tests.registry.support import Site

HOOKS = ", ".join(f"'dtrain_{kind}'" for kind in sorted(KINDS))
ACME = "plugin 'acme' 1.2 (distribution acme-dtrain)"
WAY_OUT = 'repair or uninstall it, or skip it with [plugins] block = ["acme"]'

BROKEN = {
    "import error": (
        "import no_such_module\n",
        f"{ACME} cannot be loaded from 'acme_plugin': ModuleNotFoundError: No module named 'no_such_module' "
        f"({{site}}/acme_plugin.py, line 1); {WAY_OUT}",
    ),
    "mistyped hook": (
        "from dtrain import hookimpl\n@hookimpl\ndef dtrain_optimisers():\n    return {}\n",
        f"{ACME}: dtrain_optimisers is marked @hookimpl but is no hook of dtrain; "
        f"did you mean 'dtrain_optimizers'?; hooks: {HOOKS}",
    ),
    "not marked": (
        "def dtrain_layers():\n    return {}\n",
        f"{ACME}: dtrain_layers is not marked @hookimpl",
    ),
    "no hook": (
        "x = 1\n",
        f"{ACME} has no hook; expected a function marked @hookimpl, one of: {HOOKS}",
    ),
    "no mapping": (
        "from dtrain import Layer, hookimpl\n@hookimpl\ndef dtrain_layers():\n    return [Layer]\n",
        f"{ACME}: its hook dtrain_layers must return a mapping of names to classes, got list",
    ),
    "no part": (
        "from dtrain import hookimpl\n@hookimpl\ndef dtrain_layers():\n    return {'mine': dict}\n",
        f"{ACME}: the layer 'mine' must be a subclass of Layer, or a function annotated to return one, "
        "got <class 'dict'>",
    ),
    "failing hook": (
        "from dtrain import hookimpl\n@hookimpl\ndef dtrain_layers():\n    return {'mine': Mine}\n",
        f"{ACME} failed in its hook dtrain_layers: NameError: name 'Mine' is not defined "
        f"({{site}}/acme_plugin.py, line 4); {WAY_OUT}",
    ),
}

ADAM = """
    from dtrain import Optimizer, hookimpl

    class Adam(Optimizer):
        def __init__(self, lr: float = 0.1):
            self.lr = lr

        def update(self, value, gradient, context):
            value -= self.lr * gradient

    @hookimpl
    def dtrain_optimizers():
        return {"adam": Adam}
"""

BOOM = """
    import os

    import numpy as np

    from dtrain import (
        Activation, ArrayRows, Callback, Dataset, GradientExchange, Initializer, Layer, Loss, Metric, Optimizer,
        Procedure, Regularizer, Schedule, Transform, hookimpl,
    )

    HERE = os.environ.get("OMPI_COMM_WORLD_RANK", "0") == os.environ.get("BOOM_RANK", "0")

    def boom():
        if HERE:
            raise RuntimeError("boom")

    class BoomLayer(Layer):
        def forward(self, x, context):
            if context.step:
                boom()
            return x, lambda dy: dy

    class BoomBackward(Layer):
        def forward(self, x, context):
            step = context.step

            def backward(dy):
                if step:
                    boom()
                return dy

            return x, backward

    class BoomActivation(Activation):
        forward = BoomLayer.forward

    class BoomInitializer(Initializer):
        def __call__(self, shape, fans, random):
            boom()
            return np.zeros(shape)

    class BoomLoss(Loss):
        def forward(self, y, target, context):
            if len(y):
                boom()
            return y.sum(axis=1), lambda: np.ones_like(y)

    class BoomMetric(Metric):
        def forward(self, y, target, context):
            boom()
            return y[:, 0]

    class BoomOptimizer(Optimizer):
        def __init__(self, lr: float = 0.1):
            self.lr = lr

        def update(self, value, gradient, context):
            boom()

    class BoomSchedule(Schedule):
        def __call__(self, step, steps, epoch):
            if step:
                boom()
            return 1.0

    class BoomRegularizer(Regularizer):
        def gradient(self, value, out):
            boom()

    class BoomDataset(Dataset):
        def __init__(self):
            self.train = ArrayRows(np.zeros((60, 4), np.float32), np.zeros(60, int))
            rows = self.train.rows
            def failing(indices):
                if 1 < len(indices) < 60:  # not while the data are recorded
                    boom()
                return rows(indices)
            self.train.rows = failing

    class BoomTransform(Transform):
        def forward(self, x, y, context):
            boom()
            return x, y

    class BoomProcedure(Procedure):
        def run(self, course):
            course.take_step()
            boom()

    class BoomExchange(GradientExchange):
        def total(self, part):
            if part.step > 1:
                boom()
            yield from part.exact()

    class BoomCallback(Callback):
        def after_epoch(self, run):
            boom()

    @hookimpl
    def dtrain_layers():
        return {"boom_layer": BoomLayer, "boom_backward": BoomBackward}
"""
for kind, contract in KINDS.items():
    if kind != "layers":
        noun = contract.__name__
        BOOM += f"""
    @hookimpl
    def dtrain_{kind}():
        return {{"boom_{noun.lower()}": Boom{noun}}}
"""

RAISES = {  # how to meet the part, the step at which it fails (0: before the first), the note
    "layers": (["network.1.name=boom_layer"], 2, "in the forward of layer 'boom_layer_1' (layer 'boom_layer' from {})"),
    "backward": (
        ["network.1.name=boom_backward"], 2,
        "in the backward of layer 'boom_backward_1' (layer 'boom_backward' from {})",
    ),
    "activations": (
        ["network.1.name=boom_activation"], 2,
        "in the forward of layer 'boom_activation_1' (activation 'boom_activation' from {})",
    ),
    "initializers": (
        ["network.0.initializer=boom_initializer"], 1, "in __call__ of initializer 'boom_initializer' from {}",
    ),
    "losses": (["loss.name=boom_loss"], 1, "in the loss BoomLoss; in forward of loss 'boom_loss' from {}"),
    "metrics": (
        ["train.metrics=['boom_metric']"], 1,
        "in the metric BoomMetric; in forward of metric 'boom_metric' from {}",
    ),
    "optimizers": (["optimizer.name=boom_optimizer"], 1, "in update of optimizer 'boom_optimizer' from {}"),
    "schedules": (["schedule=[{name='boom_schedule'}]"], 0, "in __call__ of schedule 'boom_schedule' from {}"),
    "regularizers": (
        ["regularizer=[{name='boom_regularizer'}]"], 1, "in gradient of regularizer 'boom_regularizer' from {}",
    ),
    "datasets": (["data={name='boom_dataset'}"], 1, "in failing of dataset 'boom_dataset' from {}"),
    "transforms": (
        ["data.transform=[{name='boom_transform'}]"], 1,
        "in the transform BoomTransform; in forward of transform 'boom_transform' from {}",
    ),
    "exchanges": (["train.exchange=boom_exchange"], 2, "in total of exchange 'boom_exchange' from {}"),
    "procedures": (["procedure.name=boom_procedure"], 2, "in run of procedure 'boom_procedure' from {}"),
    "callbacks": (["callback=[{name='boom_callback'}]"], 4, "in after_epoch of the callback 'boom_callback' from {}"),
}  # fmt: skip


def install(place, source, name="acme", version="1.2"):
    place.site.install(f"{name}-dtrain", version, {name: f"{name}_plugin"}, **{f"{name}_plugin": source})


def sets(*changes):
    return [word for change in changes for word in ("--set", change)]


@pytest.mark.parametrize("command", ["train", "list"])
@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_plugin_ends_every_command_in_one_line(place: Place, case, command):
    source, message = BROKEN[case]
    install(place, source)
    said = place.train() if command == "train" else place.dtrain("plugins", "list")
    assert (said.code, said.out) == (2, "")
    assert said.err == f"dtrain: {message.format(site=place.site.folder)}\n"
    assert not (place.folder / "run").exists()


def test_a_broken_plugin_is_skipped_when_it_is_blocked(place: Place):
    install(place, "import no_such_module\n")
    assert place.train(*sets('plugins.block=["acme"]')).code == 0


def test_a_tie_of_two_plugins_is_settled_by_prefer_or_by_block(place: Place):
    install(place, ADAM)
    install(place, ADAM, "zeta", "0.3")
    said = place.train()
    assert (said.code, said.out) == (2, "")
    assert said.err == (
        f"dtrain: the optimizer 'adam' is provided more than once: by {ACME}, plugin 'zeta' 0.3 (distribution "
        'zeta-dtrain); choose one with [plugins] prefer = {"optimizers.adam" = "acme"}, or leave one out with '
        'block = ["zeta"]\n'
    )
    for n, (change, plugin) in enumerate(
        [
            ('plugins.prefer={"optimizers.adam"="zeta"}', "zeta"),
            ('plugins.prefer={"optimizers.adam"="dtrain-optimizers"}', "dtrain-optimizers"),
            ('plugins.block=["zeta"]', "acme"),
            ('plugins.block=["zeta", "acme"]', "dtrain-optimizers"),
        ]
    ):
        assert place.train(*sets(change), out=f"run-{n}").code == 0
        rows = json.loads((place.folder / f"run-{n}" / "plugins.json").read_text())
        assert [row["plugin"] for row in rows if row["name"] == "adam"] == [plugin]


def test_there_is_a_part_that_raises_of_every_kind():
    assert set(RAISES) - {"backward"} == set(KINDS)


@pytest.mark.parametrize("case", RAISES)
def test_a_part_that_raises_while_training_is_named(place: Place, case):
    changes, step, note = RAISES[case]
    install(place, BOOM)
    said = place.train(*sets(*changes))
    assert said.code == 1
    where = f"epoch {1 + step // 4}, step {step}" if step else "before the first step"
    assert said.err.splitlines()[-1] == (
        f"dtrain: rank 0 of 1 on {platform.node()} ({where}): "
        f"RuntimeError: boom ({note.format(ACME)}); the traceback is above"
    )


def test_a_part_that_fails_on_one_of_two_ranks_is_named_with_the_rank(place: Place, mpirun):
    install(place, BOOM)
    finished = mpirun(
        2,
        ["-m", "dtrain", "train", str(place.config), "--out", str(place.folder / "two"),
         "--set", "network.1.name=boom_layer"],
        environ={"PYTHONPATH": path_with(place.site.folder), "BOOM_RANK": "1"},
    )  # fmt: skip
    assert finished.code == 1
    assert [line for line in finished.output.splitlines() if line.startswith("dtrain: ")] == [
        f"dtrain: rank 1 of 2 on {platform.node()} (epoch 1, step 2): RuntimeError: boom (in the forward of layer "
        f"'boom_layer_1' (layer 'boom_layer' from {ACME})); the traceback is above"
    ]


PER_RANK = """
import os, sys
sys.path.insert(0, sys.argv.pop(1) + os.environ.get("OMPI_COMM_WORLD_RANK", os.environ.get("PMI_RANK", "?")))
from dtrain.cli.main import main
sys.exit(main())
"""


@pytest.mark.parametrize("other", ["1.3", None])
def test_plugins_that_differ_between_ranks_are_named_before_the_first_step(place: Place, mpirun, other):
    for rank, version in enumerate(["1.2", other]):
        site = Site(place.folder / f"rank{rank}")
        if version:
            site.install("acme-dtrain", version, {"acme": "acme_plugin"}, acme_plugin=ADAM)
    out = place.folder / "two"
    arguments = [str(place.folder / "rank"), "train", str(place.config), "--out", str(out)]
    finished = mpirun(2, ["-c", PER_RANK, *arguments])
    assert finished.code == 2
    second = "plugin 'acme' 1.3 (distribution acme-dtrain)"
    if other is None:
        second = f"plugin 'dtrain-optimizers' {__version__} (distribution dtrain)"
    assert [line for line in finished.output.splitlines() if line.startswith("dtrain: ")] == [
        f"dtrain: optimizers.adam differs between ranks: {ACME} on rank 0; {second} on rank 1; "
        "install the same plugins on every host"
    ]
    assert "Traceback" not in finished.output
    assert not out.exists()


@pytest.mark.parametrize("broken", [0, 1])
def test_a_plugin_that_is_broken_on_one_rank_ends_the_job_in_one_line(place: Place, mpirun, broken):
    for rank in range(2):
        site = Site(place.folder / f"rank{rank}")
        source = "import no_such_module" if rank == broken else ADAM
        site.install("acme-dtrain", "1.2", {"acme": "acme_plugin"}, acme_plugin=source)
    out = place.folder / "two"
    finished = mpirun(
        2, ["-c", PER_RANK, str(place.folder / "rank"), "train", str(place.config), "--out", str(out)]
    )
    assert finished.code == 2
    who = f"rank 1 of 2 on {platform.node()}: " if broken else ""
    assert [line for line in finished.output.splitlines() if line.startswith("dtrain: ")] == [
        f"dtrain: {who}{ACME} cannot be loaded from 'acme_plugin': ModuleNotFoundError: No module named "
        f"'no_such_module' ({place.folder}/rank{broken}/acme_plugin.py, line 1); {WAY_OUT}"
    ]
    assert "Traceback" not in finished.output
    assert not out.exists()


def test_a_resume_says_what_to_install_for_a_part_that_is_gone(place: Place):
    install(place, ADAM.replace('"adam"', '"acme_adam"'))
    assert place.train(*sets("optimizer.name=acme_adam")).code == 0
    shutil.rmtree(place.site.folder)
    place.site.folder.mkdir()
    said = place.dtrain("train", "--resume", "--out", "run")
    assert said == (
        2, "",
        f"dtrain: run/config.toml: [optimizer]: no plugin provides the optimizer 'acme_adam'; the run had it from "
        f"{ACME}: install it with `pip install acme-dtrain==1.2`\n",
    )  # fmt: skip


def test_a_resume_never_swaps_a_part_for_its_namesake_unasked(place: Place):
    install(place, ADAM)
    assert place.train().code == 0
    shutil.rmtree(place.site.folder)
    place.site.folder.mkdir()
    said = place.dtrain("train", "--resume", "--out", "run")
    assert said == (
        2, "",
        f"dtrain: run/config.toml: [optimizer]: the run had the optimizer 'adam' from {ACME}, here it comes from "
        f"plugin 'dtrain-optimizers' {__version__} (distribution dtrain): install it with `pip install "
        "acme-dtrain==1.2`, or go on with this one by [plugins] prefer = "
        '{"optimizers.adam" = "dtrain-optimizers"}\n',
    )  # fmt: skip


def path_with(folder):
    return os.pathsep.join([str(folder), python_path()])
