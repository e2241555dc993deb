"""The command `dtrain launch`: reads its arguments, plans, prints, runs, returns an exit code."""

import contextlib
import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from dtrain_launch.allocation import read_allocation
from dtrain_launch.arguments import Options, read_arguments, seconds
from dtrain_launch.attempts import Attempts, Patience
from dtrain_launch.command import command_line, shell_line
from dtrain_launch.errors import LaunchError
from dtrain_launch.find import find_mpirun, given_mpirun, python_prefixes
from dtrain_launch.flavour import Flavour, detect
from dtrain_launch.inside import Silent, check_alone
from dtrain_launch.job import Job, logged_program
from dtrain_launch.logs import Logs
from dtrain_launch.probe import check_hosts
from dtrain_launch.processes import follow_starter
from dtrain_launch.run import run_of


def main(argv: list[str]) -> int:
    """Do what `dtrain launch <argv>` says and return its exit code: 0, 1, 2, 130 or 143."""
    try:
        options = read_arguments(argv, lambda: read_allocation(os.environ))
        if options.to is not None:
            from dtrain_launch.submit import job_text  # seldom wanted, and every start counts

            print(job_text(options, tuple(argv), Path.cwd()), end="")
            return 0
        job, flavour = _job(options), _flavour(options)
        if not options.dry_run:
            check_alone(os.environ)
            follow_starter(os.environ)
            if options.named:
                check_hosts(job.hosts, job.agent, Path.cwd(), job.program[0], job.environment)
        return launch(job, flavour, options.restarts, logs=options.logs, dry_run=options.dry_run)
    except Silent:
        return 2
    except LaunchError as error:
        print(f"dtrain: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except SystemExit:  # argparse has printed the help
        return 0


def launch(
    job: Job, flavour: Flavour, restarts: int = 0, *, logs: bool = False, dry_run: bool = False
) -> int:
    """Run `job` to its end, printing its command; a dry run only prints it."""
    patience = Patience(
        grace=seconds(job.environment, "DTRAIN_GRACE", "10"),
        restarts=restarts,
        pause=seconds(job.environment, "DTRAIN_RESTART_SECONDS", "1"),
    )
    with run_of(job.command, hold=not dry_run) as run:
        kept = None
        if run is not None:
            job = replace(job, command=run.command)
            kept = Logs(run.folder / "logs") if logs else None
        if kept is not None:
            job = replace(job, program=(*logged_program(), str(kept.folder)))
        line = shell_line(*command_line(job, flavour))
        if dry_run:
            print(line)
            return 0
        with reporting(job) as job:
            return Attempts(flavour, run, patience, kept).work(job)


@contextlib.contextmanager
def reporting(job: Job) -> Iterator[Job]:
    """The job with a file for the reason why it ends, in the folder that all hosts share; removed at the end."""
    if not job.hosts or "DTRAIN_REPORT" in job.environment:
        yield job
        return
    path = Path.cwd() / f".dtrain-{os.uname().nodename}-{os.getpid()}.json"
    try:
        yield replace(job, report=path)
    finally:
        path.unlink(missing_ok=True)


def _job(options: Options) -> Job:
    return Job(
        ranks=options.ranks,
        command=options.command,
        threads=options.threads,
        hosts=options.hosts,
        agent=options.agent or os.environ.get("DTRAIN_RSH_AGENT") or None,
        recover=options.recover,
        mpi_args=options.mpi_args,
        environment=dict(os.environ),
        root=os.getuid() == 0,
        progress_bar=sys.stderr.isatty(),
    )


def _flavour(options: Options) -> Flavour:
    if options.mpirun is not None:
        return detect(given_mpirun(options.mpirun, os.environ), os.environ)
    return detect(find_mpirun(os.environ, python_prefixes(), Path(sys.executable)), os.environ)
