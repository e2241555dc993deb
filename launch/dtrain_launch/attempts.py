"""Run a job until its run has ended, with as many restarts as the user allows."""

from collections.abc import Collection
from dataclasses import dataclass, replace

from dtrain_launch.command import command_line, shell_line
from dtrain_launch.flavour import Flavour
from dtrain_launch.hosts import slots_of
from dtrain_launch.job import Job
from dtrain_launch.logs import Logs
from dtrain_launch.probe import unreachable
from dtrain_launch.run import Run
from dtrain_launch.supervise import End, Release, pause, signals_held, supervise
from dtrain_launch.wording import say, show

_LONGEST = 30.0


@dataclass(frozen=True)
class Patience:
    """How long to wait, and how often.

    grace     seconds that ranks have to leave
    restarts  how many
    pause     seconds before the first restart; each of the next waits twice as long, up to 30 s
    """

    grace: float
    restarts: int = 0
    pause: float = 1.0

    def before(self, restart: int) -> float:
        """Seconds to wait before a restart: who failed may need time to recover."""
        return min(self.pause * 2.0 ** (restart - 1), max(self.pause, _LONGEST))


@dataclass(frozen=True)
class Attempts:
    """One job from its first start to its end.

    run: what it trains; None where it trains nothing. logs: whose last words come last when a rank has failed.
    """

    flavour: Flavour
    run: Run | None
    patience: Patience
    logs: Logs | None = None

    def work(self, job: Job) -> int:
        """dtrain's exit code, from the last start of `job`.

        It is started again when the run has not ended, and nobody has stopped it or made a mistake.
        """
        with signals_held() as release:
            for number in range(1, self.patience.restarts + 1):
                ended = self._start(job, release)
                if self.run is None or not self._broke_off(ended):
                    return self._code(ended)
                lost = unreachable(job.hosts, job.agent)
                if lost and len(lost) == len(job.hosts):
                    return _given_up(self.run, ended, "; no host can be reached")
                job = replace(without(job, lost), command=self.run.again())
                received = self._wait(number, f"{ended}{_missing(lost)}", job)
                if received is not None:
                    return received
            ended = self._start(job, release)
            return self._code(ended)

    def _start(self, job: Job, release: Release) -> End:
        arguments, variables = command_line(job, self.flavour)
        show(shell_line(arguments, variables))
        if self.logs is not None:
            self.logs.begin()
        if job.report is not None:
            job.report.unlink(missing_ok=True)
        settings = {**job.environment, **variables}
        ended = supervise(arguments, settings, self.patience.grace, release, job.report)
        if self.logs is not None and self._broke_off(ended):
            _show_last_words(self.logs)
        return ended

    def _broke_off(self, ended: End) -> bool:
        return not (ended.wanted or ended.status == 2 or (self.run is not None and self.run.finished))

    def _wait(self, number: int, what: str, job: Job) -> int | None:
        """Say what happened and what comes next, and wait for it; the exit code if a signal comes first."""
        assert self.run is not None
        seconds = self.patience.before(number)
        checkpoint = self.run.checkpoint if self.run.started else None
        ranks = "1 rank" if job.ranks == 1 else f"{job.ranks} ranks"
        again = f"restart {number} of {self.patience.restarts} in {seconds:g} s"
        say(f"{what}; {again}, {ranks}, from {checkpoint or 'the beginning'}")
        received = pause(seconds)
        return None if received is None else End(0, received).code

    def _code(self, ended: End) -> int:
        if self.run is None or ended.wanted or ended.status == 2:
            return ended.code
        if self._broke_off(ended):
            spent = self.patience.restarts
            if spent or ended.status == 0:
                return _given_up(self.run, ended, f" after {spent} restart{'s' * (spent > 1)}" * bool(spent))
            return 1  # who failed has said so
        if ended.status != 0:
            say(f"{ended}, but the run has ended before: {self.run.folder / 'summary.json'} is there")
        return 0


def without(job: Job, lost: Collection[str]) -> Job:
    """The job on the hosts that are left: as many ranks as before if they have the slots, or their share."""
    hosts = tuple(host for host in job.hosts if host.name not in lost)
    if not lost or not hosts:
        return job
    before, left = slots_of(job.hosts), slots_of(hosts)
    ranks = min(job.ranks, left) if job.ranks <= before else job.ranks * left // before
    return replace(job, hosts=hosts, ranks=max(1, ranks))


def _missing(lost: Collection[str]) -> str:
    if not lost:
        return ""
    return f"; {', '.join(sorted(lost))} cannot be reached and {'is' if len(lost) == 1 else 'are'} left out"


def _show_last_words(logs: Logs) -> None:
    found = logs.last_words()
    if found is not None:
        path, lines = found
        say(f"the end of {path}, of the rank that failed first:")
        for line in lines:
            show(line)


def _given_up(run: Run, ended: End, why: str) -> int:
    advice = f"go on with: dtrain launch -n N -- train --resume --out {run.folder}"
    say(f"{ended}{why}, and the run has not ended: {run.folder} has no summary.json; {advice}")
    return 1
