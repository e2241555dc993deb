"""How many ranks mpirun starts on this machine, with the launcher's flags and without."""

from __future__ import annotations

from collections.abc import Iterator

from ..finding import Finding, fail, ok, skip
from ..wording import counted, telling_lines
from ..world import Start, World


def judge(world: World) -> Iterator[Finding]:
    if not world.trials:
        if world.mpirun is not None:
            yield skip("not tried: the ranks are not for this machine alone")
        return
    refused = False
    for name in ("cores", "more"):
        trial = world.trials[name]
        if trial.code != 0:
            refused = True
            yield fail(
                f"mpirun does not start {counted(trial.ranks, 'process')}: {_why(trial)}",
                f"dtrain launch -n {trial.ranks} --dry-run -- train digits   # the command, to try it by hand",
            )
    if not refused:
        yield ok(_room(world))


def _room(world: World) -> str:
    more, bare = world.trials["more"].ranks, world.trials["bare"]
    text = f"`dtrain launch` starts {more} ranks, too, one more than there are cores"
    if bare.code == 0:
        return text
    return f"{text}; a bare `mpirun -n {bare.ranks}` does not ({_why(bare)})"


def _why(trial: Start) -> str:
    if trial.code is None:
        return "it did not end in time"
    text = " ".join(trial.said)
    if "not enough slots" in text:
        return "not enough slots"
    if "as root" in text:
        return "you are root"
    return telling_lines(trial.said) or f"exit code {trial.code}"
