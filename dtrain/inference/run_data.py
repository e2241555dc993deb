"""The data of a run's config as samples to evaluate or predict: which of them, and whether they are the run's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from dtrain.data import changed, changed_rows, hold_out, record_of, rows_record
from dtrain.errors import ConfigError, DataError
from dtrain.trainer import agree
from dtrain.trainer.agreement import agree_on

from .samples import check_scaling

if TYPE_CHECKING:
    from dtrain.contracts import Rows
    from dtrain.data import DataRecord

    from .trained import Trained


@dataclass(frozen=True)
class RunRows:
    """Samples of a split. warnings: the dataset's own, and what has changed since the training without harm."""

    rows: Rows
    split: str
    warnings: list[str]


def rows_on_all_ranks(trained: Trained, find: Callable[[], RunRows]) -> RunRows:
    """Return the samples that `find` returns. A collective; raises an error on all ranks where ranks read others."""
    communicator = trained.replica.communicator
    found = agree(communicator, find)
    if communicator.size > 1:
        facts = {"[data] record": {"samples": asdict(rows_record(found.rows))}}
        agree_on(communicator, facts, "let every rank read the same data")
    return found


def rows_of_run(trained: Trained, split: str | None = None) -> RunRows:
    """Return samples of the config's dataset.

    split: "validation", the samples held out; "train", those trained on; "all", the dataset's training samples, held
    out or not; None: all samples of data that were named by a change of the config, else "validation".
    Raises ConfigError or DataError where there are none that fit, and for a split of held-out samples where it is not
    certain which samples the training held out: the data, or how they are divided, have changed.
    """
    config = trained.config.data
    wanted = split or ("validation" if config == trained.own.data else "all")
    rows = _of_split(trained, wanted)
    shape = trained.network.input_shape
    if rows.shape != shape:
        raise DataError(f"{config.where}: expected samples of shape {shape}, got {rows.shape}")
    check_scaling(trained, rows, config.where)
    return RunRows(rows, wanted, [*trained.dataset.warnings, *_changes(trained, wanted)])


def rows_of_file(trained: Trained, path: Path) -> RunRows:
    """Return the samples of a file that the run's dataset reads in place of its own, such as a table without targets.

    Raises DataError where the run's dataset reads no file, and as `rows_of_run`.
    """
    config = trained.config.data
    if not isinstance(config.options.get("path"), str):
        raise DataError(
            f"{path}: expected a .npy file, the only kind for a run on the dataset {config.name!r}"
        )
    options = {**config.options, "path": str(path.absolute())}
    other = replace(trained.config, data=replace(config, options=options))
    return rows_of_run(replace(trained, config=other), "all")


def _of_split(trained: Trained, split: str) -> Rows:
    config, dataset = trained.config, trained.dataset
    if split == "all":
        return dataset.train
    train, validation = hold_out(dataset, config.data.validation, trained.data_seed)
    rows = train if split == "train" else validation
    if rows is None:
        raise ConfigError(
            f"{config.data.where}: expected validation samples, got none; take others by --split train or all"
        )
    return rows


def _changes(trained: Trained, split: str) -> list[str]:
    """Return warnings about data that are not the run's. Raises an error where the split is not the run's either."""
    config, recorded, own = trained.config.data, trained.data, trained.own.data
    if recorded is None or (split == "all" and config != own):
        return []
    now = record_of(trained.dataset)
    divided = split != "all" and trained.dataset.validation is None and config.validation > 0
    for key in ("validation", "seed") if divided else ():
        kept, wanted = getattr(own, key), getattr(config, key)
        if kept != wanted:
            raise ConfigError(
                f"{config.where} {key}: expected {kept}, with which the run held samples out, got "
                f"{wanted}; leave it as it was, or take all samples with --split all"
            )
    change = changed(recorded, now) if divided else _of_one_split(recorded, now, split)
    if change is None:
        return []
    if divided:
        raise DataError(
            f"{config.where}: expected the data that the run was trained on, {change}: it is not known which of them "
            "were held out; take all samples with --split all"
        )
    return [f"{config.where}: the data have changed since the training: {change}"]


def _of_one_split(recorded: DataRecord, now: DataRecord, split: str) -> str | None:
    """Return what has changed in the samples of a split that the dataset makes."""
    if split != "validation" or recorded.validation is None or now.validation is None:
        change = changed_rows(recorded.train, now.train)
    else:
        change = changed_rows(recorded.validation, now.validation)
    return None if change is None else f"got {change}"
