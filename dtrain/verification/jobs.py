"""The same run on ranks that are threads of this process, or processes of their own."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dtrain.communicator import run_ranks
from dtrain.config import dump
from dtrain.errors import ConfigError, UserError, on_all_ranks
from dtrain.trainer import Trainer, train_session
from dtrain.trainer.spawn import error_of, run_dtrain

from .recording import Place, Recorder, Recording
from .trace import Seen

if TYPE_CHECKING:
    from dtrain.communicator.protocol import Communicator
    from dtrain.config import Config

Job = tuple[list[Recording], Exception | None]
"""What the ranks noted, and what ended the run before its end."""

Runner = Callable[["Config", int, "int | None"], Job]
"""(config, ranks, the number of the place to keep) → Job."""


def in_threads(private: bool) -> Runner:
    """Returns what runs a job in threads. private: as on different hosts, no rank sees another's memory."""

    def run(config: Config, ranks: int, keep: int | None) -> Job:
        recordings = [Recording() for _ in range(ranks)]
        with tempfile.TemporaryDirectory(prefix="dtrain-") as folder:
            out = Path(folder) / "run"
            try:
                run_ranks(ranks, lambda c: _observe(config, c, out, recordings[c.rank], keep), not private)
            except UserError:
                raise
            except Exception as error:
                return recordings, error
        return recordings, None

    return run


def in_processes(private: bool) -> Runner:
    """Returns what runs a job on processes of this machine, as `dtrain launch` does."""

    def run(config: Config, ranks: int, keep: int | None) -> Job:
        with tempfile.TemporaryDirectory(prefix="dtrain-") as name:
            folder = Path(name)
            asked, report = folder / "config.toml", folder / "error.json"
            asked.write_text(dump(config), encoding="utf-8")
            words = ["verify", str(asked), "--record", str(folder)]
            words += [] if keep is None else ["--keep", str(keep)]
            variables = {"DTRAIN_SHARED_MEMORY": "0"} if private else {}
            code = run_dtrain(["launch", "-n", str(ranks), "--", *words], report, variables)
            error = error_of(code, report, asked, config.source) if code else None
            if isinstance(error, UserError):
                raise error
            return [_read(folder, rank) for rank in range(ranks)], error

    return run


def record_rank(config: Config, communicator: Communicator, folder: Path, keep: int | None) -> None:
    """Runs one rank of a job of processes, and leaves its notes in the folder. A collective."""
    recording = Recording()
    try:
        _observe(config, communicator, folder / "run", recording, keep)
    finally:
        _write(folder, communicator.rank, recording)


def _observe(
    config: Config, communicator: Communicator, out: Path, recording: Recording, keep: int | None
) -> None:
    recorders: list[Recorder] = []

    def prepared(trainer: Trainer) -> None:
        if not trainer.job.exchange.exact:
            part = trainer.job.config.train.exchange
            raise on_all_ranks(
                ConfigError(
                    f"{part.where}: expected an exchange with the same bits on any number of ranks, for `dtrain "
                    f"verify` compares these, got {part.name!r}; take 'exact', or 'overlap'"
                )
            )
        recorders.append(Recorder(trainer, recording, keep))

    train_session(lambda: config, communicator, out, overwrite=True, prepared=prepared)
    recorders[-1].finish()


def _write(folder: Path, rank: int, recording: Recording) -> None:
    arrays = {f"kept {name}": array for name, array in recording.kept.items()}
    arrays |= {f"seen {i}": seen.array for i, seen in enumerate(recording.trace)}
    np.savez(folder / f"rank-{rank}.npz", **arrays)  # type: ignore[arg-type]
    notes = {
        "places": [asdict(place) for place in recording.places],
        "digests": recording.digests,
        "titles": recording.titles,
        "trace": [[seen.what, seen.layer] for seen in recording.trace],
    }
    (folder / f"rank-{rank}.json").write_text(json.dumps(notes), encoding="utf-8")


def _read(folder: Path, rank: int) -> Recording:
    path = folder / f"rank-{rank}.json"
    if not path.exists():  # it was killed, or never began
        return Recording()
    notes = json.loads(path.read_text(encoding="utf-8"))
    with np.load(path.with_suffix(".npz")) as file:
        kept = {name.removeprefix("kept "): file[name] for name in file.files if name.startswith("kept ")}
        trace = [Seen(what, layer, file[f"seen {i}"]) for i, (what, layer) in enumerate(notes["trace"])]
    places = [Place(**place) for place in notes["places"]]
    return Recording(places, notes["digests"], notes["titles"], kept, trace)
