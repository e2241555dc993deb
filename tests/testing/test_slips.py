"""What authors are told of each slip, in full: one message, which says what to do."""

from __future__ import annotations

import signal
import time
import tomllib
from pathlib import Path

import pytest

from dtrain import Callback
from dtrain.testing import checks, contract
from tests.testing.broken import BROKEN

MESSAGES = tomllib.loads((Path(__file__).parent / "slips.toml").read_text(encoding="utf-8"))
OTHERS = {"AsListed", "ByTheClock", "ClassesOfASet", "NamesOfASet"}
"""Those whose message depends on the folder, the time or the process."""

NEW = ("contract", "wide_gradient", "moves", "decreases", "same_content", "writer")
PARTS = {
    part.__name__: (kind, part, check)
    for kind, part, _ in BROKEN
    if (check := part.__module__.rpartition(".")[2]) in NEW and part.__name__ not in OTHERS
}


@pytest.mark.parametrize("name", PARTS)
def test_a_slip_gets_one_message_that_says_what_to_do(name):
    kind, part, check = PARTS[name]
    assert dict(checks(kind, part))[check].failure().what == MESSAGES[name]


def test_every_message_is_of_a_part():
    assert MESSAGES.keys() == PARTS.keys()


class Sleeps(Callback):
    def after_epoch(self, run):
        while True:
            time.sleep(0.01)


def test_a_callback_that_blocks_is_cut_off_where_it_waits(monkeypatch):
    monkeypatch.setattr(contract, "LIMIT", 0.2)
    before = signal.getsignal(signal.SIGALRM)
    failure = dict(checks("callbacks", Sleeps))["contract"].failure()
    assert failure.what == (
        f"the part did not return within 0.2 s, in after_epoch ({__file__}, line "
        f"{Sleeps.after_epoch.__code__.co_firstlineno + 2}): every rank calls it and waits for it; read no input, wait "
        "for no other process, bound every loop"
    )
    assert (signal.getsignal(signal.SIGALRM), signal.getitimer(signal.ITIMER_REAL)) == (before, (0.0, 0.0))
