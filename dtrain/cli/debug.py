"""`dtrain debug`."""

from __future__ import annotations

import argparse
import pdb
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from dtrain.communicator import run_ranks
from dtrain.config import load
from dtrain.errors import ConfigError, UserError, on_all_ranks
from dtrain.threads import set_threads

from .guard import Scope

if TYPE_CHECKING:
    from dtrain.communicator.protocol import Communicator


def debug(options: argparse.Namespace, scope: Scope) -> int:
    """Runs the N-rank job in this process's threads; returns the exit code."""
    if scope.launched is not None and scope.launched.size > 1:
        raise on_all_ranks(
            ConfigError("debug: expected one process, which holds all ranks, got mpirun; leave it out")
        )
    config = load(options.config or "digits", options.set)
    set_threads(1)
    from dtrain.trainer import Result, train_session

    out = Path(options.out) if options.out else None

    def rank(communicator: Communicator) -> Result:
        return train_session(lambda: config, communicator, out, overwrite=options.overwrite, debug=True)

    try:
        run_ranks(options.ranks, rank)
    except UserError:
        raise
    except Exception as error:
        if not sys.stdin.isatty():
            raise
        traceback.print_exception(error)
        pdb.post_mortem(error.__traceback__)
        return 1
    return 0
