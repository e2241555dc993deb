"""The command `dtrain launch`: reads its arguments, plans, prints, runs, returns an exit code."""

import os
import sys
from pathlib import Path

from dtrain_launch.arguments import Options, grace_seconds, read_arguments
from dtrain_launch.command import command_line, shell_line
from dtrain_launch.errors import LaunchError
from dtrain_launch.find import find_mpirun, given_mpirun, python_prefixes
from dtrain_launch.flavour import Flavour, detect
from dtrain_launch.job import Job
from dtrain_launch.supervise import supervise


def main(argv: list[str]) -> int:
    """Do what `dtrain launch <argv>` says and return its exit code: 0, 1, 2, 130 or 143."""
    try:
        options = read_arguments(argv)
        return launch(_job(options), _flavour(options), dry_run=options.dry_run)
    except LaunchError as error:
        print(f"dtrain: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except SystemExit:  # argparse has printed the help
        return 0


def launch(job: Job, flavour: Flavour, dry_run: bool = False) -> int:
    """Print the command of `job` and, but for a dry run, run it to its end."""
    arguments, variables = command_line(job, flavour)
    line = shell_line(arguments, variables)
    grace = grace_seconds(job.environment)
    if dry_run:
        print(line)
        return 0
    print(line, file=sys.stderr, flush=True)
    return supervise(arguments, {**job.environment, **variables}, grace)


def _job(options: Options) -> Job:
    return Job(
        ranks=options.ranks,
        command=options.command,
        threads=options.threads,
        mpi_args=options.mpi_args,
        environment=dict(os.environ),
        root=os.getuid() == 0,
        progress_bar=sys.stderr.isatty(),
    )


def _flavour(options: Options) -> Flavour:
    if options.mpirun is not None:
        return detect(given_mpirun(options.mpirun, os.environ), os.environ)
    return detect(find_mpirun(os.environ, python_prefixes(), Path(sys.executable)), os.environ)
