"""Run a job until its run has ended, with as many restarts as the user allows."""

from collections.abc import Collection
from dataclasses import dataclass, replace

from dtrain_launch.command import command_line, shell_line
from dtrain_launch.flavour import Flavour
from dtrain_launch.hosts import slots_of, unreachable
from dtrain_launch.job import Job
from dtrain_launch.run import Run
from dtrain_launch.supervise import End, Release, pause, signals_held, supervise
from dtrain_launch.wording import say, show

_LONGEST = 30.0


@dataclass(frozen=True)
class Patience:
    """grace: seconds that ranks have to leave. restarts: how many. pause: seconds before the first of them,

    doubled before each of the next.
    """

    grace: float
    restarts: int = 0
    pause: float = 1.0

    def before(self, restart: int) -> float:
        """Seconds to wait before a restart: who failed may need time to recover."""
        return min(self.pause * 2.0 ** (restart - 1), max(self.pause, _LONGEST))


def run_to_the_end(job: Job, flavour: Flavour, run: Run | None, patience: Patience) -> int:
    """dtrain's exit code, from the last start of the job.

    Goes on from the newest checkpoint, but not without end, when neither the run has ended nor the user
    has ended it nor made a mistake. run: what the job trains; None where it trains nothing.
    """
    with signals_held() as release:
        return _run(job, flavour, run, patience, release)


def _run(job: Job, flavour: Flavour, run: Run | None, patience: Patience, release: Release) -> int:
    restarts = patience.restarts
    for number in range(1, restarts + 2):
        ended = _once(job, flavour, patience.grace, release)
        if run is None or ended.wanted or ended.status == 2:
            return ended.code
        if run.finished:
            return _done(run, ended)
        if number > restarts:
            return _given_up(run, ended, restarts)
        lost = unreachable(job.hosts, job.agent)
        if lost and len(lost) == len(job.hosts):
            return _given_up(run, ended, number - 1, "; no host can be reached")
        job = replace(without(job, lost), command=run.again())
        seconds = patience.before(number)
        say(f"{ended}{_missing(lost)}; restart {number} of {restarts} in {seconds:g} s, {_place(job, run)}")
        received = pause(seconds)
        if received is not None:
            return End(0, received).code
    raise AssertionError("the last start returns")


def without(job: Job, lost: Collection[str]) -> Job:
    """The job on the hosts that are left: as many ranks as before if they have the slots, or their share."""
    hosts = tuple(host for host in job.hosts if host.name not in lost)
    if not lost or not hosts:
        return job
    before, left = slots_of(job.hosts), slots_of(hosts)
    ranks = min(job.ranks, left) if job.ranks <= before else job.ranks * left // before
    return replace(job, hosts=hosts, ranks=max(1, ranks))


def _missing(lost: Collection[str]) -> str:
    return (
        f"; {', '.join(sorted(lost))} cannot be reached and {'is' if len(lost) == 1 else 'are'} left out"
        * bool(lost)
    )


def _once(job: Job, flavour: Flavour, grace: float, release: Release) -> End:
    arguments, variables = command_line(job, flavour)
    show(shell_line(arguments, variables))
    return supervise(arguments, {**job.environment, **variables}, grace, release)


def _place(job: Job, run: Run) -> str:
    checkpoint = run.checkpoint if run.started else None
    ranks = "1 rank" if job.ranks == 1 else f"{job.ranks} ranks"
    return f"{ranks}, from {checkpoint or 'the beginning'}"


def _done(run: Run, ended: End) -> int:
    if ended.status != 0:
        say(f"{ended}, but the run has ended before: {run.folder / 'summary.json'} is there")
    return 0


def _given_up(run: Run, ended: End, restarts: int, why: str = "") -> int:
    if ended.status == 0 or restarts or why:
        spent = f" after {restarts} restart{'s' * (restarts > 1)}" if restarts else ""
        advice = f"go on with: dtrain launch -n N -- train --resume --out {run.folder}"
        say(f"{ended}{why}, and the run has not ended{spent}: {run.folder} has no summary.json; {advice}")
    return 1
