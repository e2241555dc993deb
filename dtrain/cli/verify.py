"""`dtrain verify`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from dtrain.config import load
from dtrain.errors import ConfigError, on_all_ranks
from dtrain.threads import set_threads

from .guard import FAILED, Scope


def verify(options: argparse.Namespace, scope: Scope) -> int:
    """Compares numbers of ranks; returns 0 where all gave the same bits, 1 where not."""
    scope.where, scope.lost = lambda: "comparing ranks", "nothing compared"
    config = load(options.config or "digits", options.set)
    set_threads(1)
    if options.record is not None:
        from dtrain.verification import record_rank

        record_rank(config, scope.open(), Path(options.record), options.keep)
        return 0
    if scope.launched is not None and scope.launched.size > 1:
        raise on_all_ranks(
            ConfigError(
                "verify: expected one process, which starts all ranks by itself, got mpirun; leave it out"
            )
        )
    from dtrain.trainer.run_folder import strict
    from dtrain.verification import verify_config  # NumPy: after the threads are set

    found = verify_config(
        config,
        options.ranks,
        steps=options.steps,
        processes=options.processes,
        private=options.private,
        tolerance=options.tolerance,
    )
    print(json.dumps(strict(found.as_dict()), allow_nan=False) if options.json else found)
    return 0 if found.passed else FAILED
