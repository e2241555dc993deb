"""All state is where a checkpoint finds it, whatever rank held which slice of it."""

from __future__ import annotations

import json
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dtrain.communicator import SerialCommunicator, run_ranks
from dtrain.trainer.logical import Snapshot

from .failure import Failure, check_equal, check_same_bits
from .script import Script
from .training import Job

if TYPE_CHECKING:
    from dtrain.types import Array

    from .subject import Subject

_ADVICE = (
    "state belongs in make.state, make.parameter or an optimizer's slots and state(); "
    "what a part keeps in attributes is lost when a run is resumed"
)


def check_resharded(subject: Subject) -> None:
    """Three epochs at once, and one each on 3, 2 and 5 ranks through checkpoints, end in the same bits.

    First on 3 ranks throughout. A part whose result depends on the ranks in any case is another check's business.
    """
    _resume(subject, (3, 3, 3), run_ranks(3, lambda c: _straight(subject, c))[0])
    alone = _straight(subject, SerialCommunicator())
    try:
        _resume(subject, (3, 2, 5), alone)
    except Failure:
        if all(_equal(alone, run_ranks(n, lambda c: _straight(subject, c))[0]) for n in (2, 3, 5)):
            raise


def _equal(a: dict[str, Array], b: dict[str, Array]) -> bool:
    return all(array.tobytes() == b[name].tobytes() for name, array in a.items())


def _resume(subject: Subject, ranks: tuple[int, int, int], expected: dict[str, Array]) -> None:
    with tempfile.TemporaryDirectory() as name:
        got: dict[str, Array] = {}
        for i, n in enumerate(ranks):
            got |= run_ranks(n, partial(_stretch, subject, Path(name), i > 0), share_memory=n != 5)[0]
    for what, array in expected.items():
        check_same_bits(f"{what}, resumed on {', '.join(map(str, ranks))} ranks", array, got[what], _ADVICE)


def _straight(subject: Subject, communicator: Any) -> dict[str, Array]:
    job = Job(subject, communicator)
    job.train(3)
    return job.left()


def _stretch(subject: Subject, folder: Path, load: bool, communicator: Any) -> dict[str, Array]:
    job = Job(subject, communicator, resumed=load)
    if load:
        job.load(folder)
    job.train(1)
    job.save(folder)
    return job.left()


def check_schedule_state(subject: Subject) -> None:
    """A fresh schedule that gets `state()`, through JSON, goes on with the same factors."""
    straight, before, after = subject.make(), subject.make(), subject.make()
    expected = _factors(straight, 0, 20)
    got = _factors(before, 0, 9)
    after.load_state(_through_json(before.state()))
    got += _factors(after, 9, 20)
    check_equal("factors after load_state", expected, got, _LOAD)


def _factors(schedule: Any, first: int, last: int) -> list[float]:
    factors = []
    for step in range(first, last):
        factors.append(float(schedule(step, 20, step / 2)))
        if step % 2:
            schedule.observe(1.0 + abs(step - 7))
    return factors


def check_callback_state(subject: Subject) -> None:
    """A fresh callback that gets `state()`, through JSON, decides as the first would have."""
    for cut in (3, 7):
        straight = Script()
        straight.play(subject.make(), 12)
        before, after = subject.make(), subject.make()
        script = Script()
        script.play(before, cut, end=False)
        after.load_state(_through_json(before.state()))
        script.play(after, 12 - cut)
        check_equal(f"decisions, resumed after epoch {cut}", straight.decisions, script.decisions, _LOAD)


_LOAD = "state() must hold all that is kept between calls, and load_state() take all of it back"


def _through_json(state: dict[str, Any]) -> dict[str, Any]:
    """Returns a state as a checkpoint gives it back: snapshots apart, the rest as JSON."""
    snapshots = {key: value for key, value in state.items() if isinstance(value, Snapshot)}
    rest = {key: value for key, value in state.items() if key not in snapshots}
    try:
        text = json.dumps(rest, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise Failure(
            f"state() is no JSON: {error}; keep numbers, strings, lists, tables; None for what is not there"
        ) from error
    return json.loads(text) | snapshots
