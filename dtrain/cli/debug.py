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
from dtrain.errors import UserError
from dtrain.threads import set_threads

if TYPE_CHECKING:
    from dtrain.communicator.protocol import Communicator


def debug(options: argparse.Namespace) -> int:
    """Runs the N-rank job in this process's threads; returns the exit code."""
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
        traceback.print_exception(error)
        if not sys.stdin.isatty():
            return 1
        pdb.post_mortem(error.__traceback__)
        return 1
    return 0
