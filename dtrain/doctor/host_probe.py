"""What the doctor runs on each host, by itself or by the remote shell:

    python -P -m dtrain.doctor.host_probe '{"directory": …}'

It tells what it sees of its host, then waits for a line with every host's port, and tells whom it reaches.
"""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator

from . import network
from .checks import CHECKS
from .record import tell
from .world import Facts

LIFE = 60
"""Seconds after which it ends whatever happens."""
CONNECT = 1.5
"""Seconds for a connection."""


def look_around(asked: Facts) -> dict[str, Facts]:
    """What every check wants to know of this host."""
    return dict(_looks(asked))


def _looks(asked: Facts) -> Iterator[tuple[str, Facts]]:
    for check in CHECKS:
        if check.look is not None:
            try:
                yield check.name, check.look(asked)
            except Exception as error:  # one that cannot look leaves the others their view
                yield check.name, {"error": " ".join(f"{type(error).__name__}: {error}".split())}


def main(asked: Facts) -> None:
    signal.alarm(LIFE)
    with network.listener() as server:
        tell("facts", port=server.getsockname()[1], facts=look_around(asked))
        line = sys.stdin.readline()
        if line.strip():
            tell("links", links=network.connect_all(json.loads(line), CONNECT))
        sys.stdin.read()  # the port stays open until all have tried it


if __name__ == "__main__":
    main(json.loads(sys.argv[1]) if len(sys.argv) > 1 else {})
