"""The hosts that a command was given: `--hosts`, `--hostfile`, in the words of `dtrain launch`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from dtrain.errors import ConfigError

if TYPE_CHECKING:
    from dtrain_launch.hosts import Host


def given_hosts(options: argparse.Namespace, command: str) -> tuple[Host, ...]:
    """Returns the hosts that are named; none where none are. Raises ConfigError, in this command's name."""
    from dtrain_launch.errors import LaunchError
    from dtrain_launch.hosts import read_hostfile, read_hosts

    try:
        if options.hostfile is not None:
            return read_hostfile(Path(options.hostfile))
        return () if options.hosts is None else read_hosts(options.hosts)
    except LaunchError as error:
        raise ConfigError(f"{command}{str(error).removeprefix('launch')}") from error
