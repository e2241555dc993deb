"""`dtrain predict`."""

from __future__ import annotations

import argparse
from pathlib import Path

from .guard import Scope
from .inference import prepare, warn


def predict(options: argparse.Namespace, scope: Scope) -> int:
    """Writes the predictions of a run; under a launcher, this rank's part of the job. Returns the exit code."""
    prepare(scope, "predicting")
    from dtrain.inference import Wanted, predict_run  # NumPy: after the threads are set

    def path(text: str | None) -> Path | None:
        return None if text is None else Path(text)

    wanted = Wanted(
        output=Path(options.output),
        input=path(options.input),
        split=options.split,
        spread=path(options.spread),
        draws=options.draws,
        layer=options.layer,
        checkpoint=options.checkpoint,
        overrides=options.set,
        overwrite=options.overwrite,
        non_finite=options.non_finite,
    )
    communicator = scope.open()
    done = predict_run(communicator, Path(options.run), wanted)
    if communicator.rank == 0:
        warn(done.warnings)
        files = " and ".join(filter(None, (options.output, options.spread)))
        print(f"{files}: {done.shape} of {done.dtype}, step {done.step:,} ({done.checkpoint.name})")
        if done.classes:
            print(f"columns: {', '.join(done.classes)}")
    return 0
