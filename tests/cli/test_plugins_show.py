from __future__ import annotations

from pathlib import Path

import dtrain_plugins
from dtrain import __version__
from tests.cli.support import Place

ROOT = Path(dtrain_plugins.__file__).parent

SOURCE = '''
    import functools
    from pathlib import Path

    from dtrain import Activation, Initializer, Layer, Optimizer, hookimpl

    class Adam(Optimizer):
        """One line that is longer than a terminal of a hundred columns and therefore has to run on into the next
        line of its paragraph, as text does.

            a table    stays
            as it      is
        """

        def __init__(
            self, lr: float, betas: tuple[float, float] = (0.9, 0.999), anything=None, path: Path | None = None,
            activation: Activation | None = None, initializers: list[Initializer] = [], **rest: int,
        ):
            pass

    def make(lr: float = 1.0) -> Optimizer:
        return Adam(lr)

    class Silent(Layer):
        pass

    @hookimpl
    def dtrain_optimizers():
        return {"adam": Adam, "made": make, "half": functools.partial(make, lr=0.5)}

    @hookimpl
    def dtrain_layers():
        return {"silent": Silent}
'''


def test_a_built_in_part_is_shown_with_all_about_it(place: Place):
    said = place.dtrain("plugins", "show", "layers.flatten")
    file = ROOT / "layers" / "flatten.py"
    line = 1 + file.read_text().splitlines().index("class Flatten(Layer):")
    assert (said.code, said.err) == (0, "")
    head, rest = said.out.split("\nit takes no options\n")
    assert head.startswith("layers.flatten\n\n  ")
    assert rest == (
        f"\nmade by       dtrain_plugins.layers.flatten.Flatten\nfile          {file}:{line}\n"
        f"plugin        dtrain-layers\ndistribution  dtrain {__version__}\nreplaces      -\n"
    )


def test_every_built_in_part_can_be_shown_in_a_hundred_columns(place: Place):
    names = [line.split()[:2] for line in place.dtrain("plugins", "list").out.splitlines()[1:]]
    for kind, name in names:
        said = place.dtrain("plugins", "show", f"{kind}.{name}")
        assert said.code == 0
        assert said.out.startswith(f"{kind}.{name}\n\n  ")
        assert [
            line for line in said.out.splitlines() if len(line) > 100 and not line.startswith("file ")
        ] == []


def test_a_strangers_part_is_shown_with_its_options_and_what_it_replaces(place: Place):
    place.site.install("acme-dtrain", "1.2", {"acme": "acme_plugin"}, acme_plugin=SOURCE)
    said = place.dtrain("plugins", "show", "optimizers.adam")
    assert (said.code, said.err) == (0, "")
    assert (
        said.out
        == f"""\
optimizers.adam

  One line that is longer than a terminal of a hundred columns and therefore has to run on into the
  next line of its paragraph, as text does.

      a table    stays
      as it      is

OPTION        DEFAULT       TYPE
lr            required      a number
betas         [0.9, 0.999]  a list of 2: a number, a number
anything      nothing       anything
path          nothing       a path
activation    nothing       the name or the table of an activation
initializers  []            a list of names or tables of initializers
further ones  -             a whole number

made by       acme_plugin.Adam
file          {place.site.folder}/acme_plugin.py:7
plugin        acme
distribution  acme-dtrain 1.2
replaces      dtrain-optimizers
"""
    )


def test_functions_and_parts_without_a_docstring_are_shown_too(place: Place):
    place.site.install("acme-dtrain", "1.2", {"acme": "acme_plugin"}, acme_plugin=SOURCE)
    for path, words in {
        "optimizers.made": ["(no docstring)", "lr      1.0      a number", "made by       acme_plugin.make"],
        "optimizers.half": ["lr      0.5      a number", "made by       acme_plugin.make"],
        "layers.silent": ["(no docstring)", "it takes no options", "made by       acme_plugin.Silent"],
    }.items():
        said = place.dtrain("plugins", "show", path)
        assert said.code == 0
        assert [word for word in words if word not in said.out] == []


def test_a_layers_name_finds_an_activation(place: Place):
    assert place.dtrain("plugins", "show", "layers.relu").out.startswith("activations.relu\n")


def test_a_wrong_name_says_what_there_is(place: Place):
    for path, message in {
        "adam": "expected KIND.NAME, such as 'optimizers.adam', got 'adam'; did you mean 'optimizers.adam'?",
        "layers": "expected KIND.NAME, such as 'optimizers.adam', got 'layers'; did you mean 'layers.dense'?",
        "optimizer.adam": (
            "no kind of part is called 'optimizer'; did you mean 'optimizers'?; kinds: 'activations', 'callbacks', "
            "'datasets', 'initializers', 'layers', 'losses', 'metrics', 'optimizers', 'regularizers', "
            "'schedules', 'transforms'"
        ),
        "transforms.x": "no plugin provides the transform 'x'; installed: none",
    }.items():
        assert place.dtrain("plugins", "show", path) == (2, "", f"dtrain: plugins show: {message}\n")
