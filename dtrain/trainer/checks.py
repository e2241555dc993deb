"""Whether the parts of a job fit each other: what no part can know by itself."""

from __future__ import annotations

import os
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from dtrain.contracts import Solver
from dtrain.errors import ConfigError, DataError, did_you_mean, listed

from .exchange_checks import check_exchange
from .one_value import check_statistics
from .outputs import check_output
from .schedule_checks import check_schedules
from .solver_checks import check_solver

if TYPE_CHECKING:
    from dtrain.config import DataPart, RegularizerPart
    from dtrain.contracts import Dataset, Rows
    from dtrain.engine import Network

    from .fit import Fit
    from .job import Job

ROLES = {"weights": "weight", "biases": "bias"}
"""From `on` of a regularizer to the role of a parameter."""

AT_ONCE = 65536  # rows
FIRST = 64  # rows of data that are not in memory


def check_job(job: Job, ranks: int = 1) -> None:
    """Raises ConfigError or DataError for the first thing that does not fit."""
    _check_size(job.network)
    _check_outputs(job, ranks)
    _check_accumulate(job)
    if isinstance(job.optimizer, Solver):
        check_solver(job, job.optimizer)
    check_exchange(job)
    for part in job.config.regularizers:
        _check_regularizer(part, job.network)
    _check_samples(job)
    check_statistics(job, ranks)
    _check_watched(job)
    check_schedules(job)
    check_output(job.loss, job.network.output, job.config.loss.place)
    where = job.config.data.where
    check_targets(job.train, job.fit(training=True), f"{where}, training samples")
    if job.validation is not None:
        check_targets(job.validation, job.fit(training=False), f"{where}, validation samples")


def check_split(dataset: Dataset, part: DataPart) -> None:
    """Raises ConfigError for a fraction to hold out beside validation samples of the dataset's own."""
    if dataset.validation is not None and part.validation:
        raise ConfigError(
            f"{part.where} validation: expected none, as the dataset {part.name!r} brings validation samples of its "
            f"own, {len(dataset.validation):,} of them, got {part.validation:g}; leave validation out"
        )


def _check_watched(job: Job) -> None:
    """Raises ConfigError for a schedule, or a best checkpoint, by a figure that the run does not measure."""
    best, measured = job.config.checkpoint.best, ("loss", *job.metrics)
    wanted = {"[checkpoint] best": best} if isinstance(best, str) else {}
    for schedule, part in zip(job.schedules, job.config.schedules, strict=True):
        wanted[f"{part.where} metric"] = schedule.metric
    for where, name in wanted.items():
        if name not in measured:
            raise ConfigError(
                f"{where}: expected a figure that the run measures, {', '.join(map(repr, measured))}, got {name!r}"
                f"{did_you_mean(name, measured)}; add it to [train] metrics"
            )


def _check_size(network: Network) -> None:
    """Before anything of that size is asked for: not every system says no."""
    needed, there = sum(p.size for p in network.parameters) * network.dtype.itemsize, _memory()
    if needed > there:
        largest = max(network.parameters, key=lambda p: p.size)
        raise ConfigError(
            f"[[network]]: expected parameters that fit into memory, {there / 1e9:.3g} GB, got {needed / 1e9:.3g} GB; "
            f"the largest is {largest.name!r} of shape {largest.shape}"
        )


def _check_outputs(job: Job, ranks: int) -> None:
    """Raises ConfigError for a layer whose output, for the rows of one rank, is larger than all memory."""
    config, there = job.config.train, _memory()
    rows = -(-min(config.batch_size, len(job.train)) // config.accumulate)
    own = -(-rows * -(-job.shards // ranks) // job.shards)
    for node in job.network.nodes:
        needed = own * prod(node.shape) * job.network.dtype.itemsize
        if needed > there:
            raise ConfigError(
                f"[[network]]: expected outputs that fit into memory, {there / 1e9:.3g} GB, got {needed / 1e9:.3g} GB "
                f"of layer {node.name!r}: {own} rows of shape {node.shape}"
            )


def _memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _check_accumulate(job: Job) -> None:
    """Raises ConfigError for more micro-batches than samples in a batch: a million without a row take their time."""
    config = job.config.train
    most = min(config.batch_size, len(job.train))
    if config.accumulate > max(most, 1):
        raise ConfigError(
            f"[train] accumulate: expected at most as many micro-batches as a batch has samples, {most}, "
            f"got {config.accumulate}"
        )


def _check_regularizer(part: RegularizerPart, network: Network) -> None:
    if not any(p.role == ROLES[part.on] for p in network.parameters):
        raise ConfigError(
            f"{part.where} on: expected parameters that {part.name!r} can act on, got a network that has no {part.on}; "
            "leave it out"
        )
    names = [node.name for node in network.nodes]
    for wanted in part.layers or ():
        if wanted not in names:
            raise ConfigError(
                f"{part.where} layers: expected ids of layers, got {wanted!r}{did_you_mean(wanted, names)}; "
                f"there are {listed(names)}"
            )
        (node,) = (node for node in network.nodes if node.name == wanted)
        if not any(p.role == ROLES[part.on] for p in node.parameters):
            raise ConfigError(
                f"{part.where} layers: expected layers that have {part.on}, got {wanted!r}, which has none; "
                "leave it out"
            )


def _check_samples(job: Job) -> None:
    where = job.config.data.where
    if not len(job.train):
        raise DataError(f"{where}: expected samples to train on, got none")
    if job.validation is not None and job.validation.shape != job.train.shape:
        raise DataError(
            f"{where}: expected validation samples of shape {job.train.shape}, as those to train on, "
            f"got {job.validation.shape}"
        )


def check_targets(rows: Rows, fit: Fit, where: str) -> None:
    """Raises DataError for targets that do not fit.

    All targets where they are in memory; else the first block, the others batch by batch.
    """
    count = len(rows) if rows.whole else min(len(rows), FIRST)
    for start in range(0, count, AT_ONCE):
        _, y = rows.rows(np.arange(start, min(start + AT_ONCE, count)))
        try:
            fit(y)
        except ValueError as error:
            raise DataError(f"{where}: {error}") from error
