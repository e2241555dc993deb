"""`dtrain predict`: what a run's network says of samples, in their order, into a file."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dtrain.errors import ConfigError, DataError, on_all_ranks
from dtrain.trainer import agree

from .csv_output import output_for
from .not_finite import NonFinite, NotFinite, check_choice, checked
from .output import NPY, NpyOutput, check_output
from .predictor import Predictor
from .run_data import RunRows, rows_of_file, rows_of_run, rows_on_all_ranks
from .samples import rows_in
from .trained import LAST, load_trained

if TYPE_CHECKING:
    from dtrain.communicator.protocol import Communicator
    from dtrain.config.overrides import Overrides
    from dtrain.contracts import Rows
    from dtrain.types import Shape

    from .trained import Trained


@dataclass(frozen=True)
class Wanted:
    """What to predict, and where to.

    input: a `.npy` file, or one that the run's dataset reads, such as a table; or split: "validation", "train" or
    "all" of the config's data. output: gets the predictions, with draws their mean; spread: gets their standard
    deviation; each a `.npy` file, or text where its name ends in `.csv`. layer: an id; its output instead.
    checkpoint: "last", "best", a name or a step. overrides: changes of the config. non_finite: what happens where
    samples hold NaN or infinity: "warn", "refuse" or "allow".
    """

    output: Path
    input: Path | None = None
    split: str | None = None
    spread: Path | None = None
    draws: int | None = None
    layer: str | None = None
    checkpoint: str = LAST
    overrides: Overrides = ()
    overwrite: bool = False
    non_finite: NonFinite = "warn"


@dataclass(frozen=True)
class Prediction:
    """What was written: the shape and dtype of each file. warnings: what a person should know of it.

    classes: the names of the classes whose probabilities stand in the columns, in order; empty where there are none.
    """

    shape: Shape
    dtype: str
    checkpoint: Path
    step: int
    warnings: list[str]
    classes: tuple[str, ...] = ()


def predict_run(communicator: Communicator, folder: Path, wanted: Wanted) -> Prediction:
    """Predicts with the run in this folder. A collective; errors are raised on all ranks.

    The input may be larger than memory: a rank reads its own rows of one block at a time, and writes them. An
    output is there whole at the end or not at all.
    """
    speaks = communicator.rank == 0
    agree(communicator, lambda: _check(wanted) if speaks else None)
    trained = load_trained(communicator, folder, wanted.checkpoint, wanted.overrides)
    found = rows_on_all_ranks(trained, lambda: _rows(trained, wanted))
    rows = found.rows
    predictor = agree(communicator, lambda: Predictor(trained, layer=wanted.layer, draws=wanted.draws))
    shape = (len(rows), *predictor.shape)
    named = wanted.layer is None and predictor.shape == (len(trained.schema.classes),)
    classes = trained.schema.classes if named else ()
    outputs = [output_for(path, option, shape, predictor.dtype, classes) for option, path in _outputs(wanted)]
    try:
        more = _write(communicator, predictor, rows, outputs, wanted)
    except BaseException:
        _abandon(outputs, speaks)
        raise
    warnings = trained.warnings + found.warnings + more
    return Prediction(shape, str(predictor.dtype), trained.path, trained.cursor["step"], warnings, classes)


def _outputs(wanted: Wanted) -> list[tuple[str, Path]]:
    spread = [] if wanted.spread is None else [("--spread", wanted.spread)]
    return [("--output", wanted.output), *spread]


def _check(wanted: Wanted) -> None:
    check_choice(wanted.non_finite)
    if wanted.spread is not None and wanted.draws is None:
        raise ConfigError("--spread: expected --draws beside it, got none")
    if wanted.spread is not None and wanted.spread.absolute() == wanted.output.absolute():
        raise ConfigError(f"--spread {wanted.spread}: expected another file than --output, got the same")
    for option, path in _outputs(wanted):
        check_output(path, option, wanted.overwrite)


def _rows(trained: Trained, wanted: Wanted) -> RunRows:
    if wanted.input is None:
        return rows_of_run(trained, wanted.split)
    if wanted.input.suffix.lower() in ("", NPY):
        return RunRows(rows_in(trained, wanted.input), "given", [])
    return rows_of_file(trained, wanted.input)


def _write(
    communicator: Communicator, predictor: Predictor, rows: Rows, outputs: list[NpyOutput], wanted: Wanted
) -> list[str]:
    """Returns warnings."""
    speaks = communicator.rank == 0

    def each(do: Callable[[NpyOutput], None], on_this: bool = True) -> None:
        def all_of_them() -> None:
            for output in outputs if on_this else ():
                do(output)

        agree(communicator, all_of_them)

    each(NpyOutput.create, speaks)
    each(NpyOutput.open)
    for where, found in predictor.blocks(rows):
        for output, block in zip(outputs, found, strict=False):  # without --spread, the mean alone
            output.write(where.start, block)
    each(NpyOutput.close)
    problems = [problem for problem in communicator.share(predictor.problem) if problem is not None]
    if problems:
        raise on_all_ranks(DataError(problems[0]))
    counts = [
        NotFinite(*one)
        for one in communicator.share([predictor.not_finite.count, predictor.not_finite.first])
    ]
    source = "the samples" if wanted.input is None else str(wanted.input)
    warnings = agree(communicator, lambda: checked(counts, source, wanted.non_finite))
    each(lambda output: output.finish(), speaks)
    return warnings


def _abandon(outputs: list[NpyOutput], speaks: bool) -> None:
    for output in outputs:
        with suppress(ConfigError, OSError):
            output.close()
        if speaks:
            with suppress(OSError):
                output.discard()
