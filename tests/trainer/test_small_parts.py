"""The clock of steps, the sums of an epoch, agreement, signals."""

from __future__ import annotations

import os
import platform
import signal
import threading

import numpy as np
import pytest

from dtrain.communicator import SerialCommunicator, run_ranks
from dtrain.errors import ConfigError, DataError, UserError
from dtrain.trainer.agreement import agree
from dtrain.trainer.clock import RECENT, StepClock
from dtrain.trainer.epoch import EpochSums
from dtrain.trainer.signals import Signals


def test_the_clock_gives_the_median_of_all_and_the_mean_of_the_last():
    clock = StepClock()
    assert clock.median() is None
    for seconds in (9.0, 1.0, 2.0):
        clock.note(seconds)
    assert (clock.median(), clock.recent()) == (2.0, 4.0)
    for _ in range(RECENT):
        clock.note(3.0)
    assert clock.recent() == 3.0


def test_the_sums_of_an_epoch_survive_a_checkpoint():
    so_far = EpochSums()
    so_far.add(np.array([1.0, 2.0]), 2)
    so_far.add(np.array([0.5, 1.0]), 1)
    so_far.seconds = 0.25
    other = EpochSums()
    other.load_state(so_far.state())
    assert other.state() == {"sums": [1.5, 3.0], "samples": 3, "updates": 2, "seconds": 0.25}
    so_far.reset()
    assert so_far.state() == EpochSums().state()


def test_the_first_sums_are_not_changed_by_the_next():
    so_far, first = EpochSums(), np.array([1.0])
    so_far.add(first, 1)
    so_far.add(first, 1)
    assert first[0] == 1.0
    assert so_far.sums[0] == 2.0


def test_agreement_raises_the_lowest_ranks_error_with_its_class_on_all():
    def rank(communicator):
        def what():
            if communicator.rank == 1:
                raise DataError("bad rows")
            if communicator.rank == 2:
                raise ConfigError("bad key")
            return communicator.rank

        try:
            return agree(communicator, what)
        except UserError as error:
            return type(error), str(error), error.everywhere

    assert run_ranks(3, rank) == [(DataError, f"rank 1 of 3 on {platform.node()}: bad rows", True)] * 3
    assert agree(SerialCommunicator(), lambda: "fine") == "fine"


def test_an_error_class_of_a_plugin_arrives_as_a_user_error():
    class AcmeError(UserError):
        pass

    def rank(communicator):
        def what():
            if communicator.rank == 0:
                raise AcmeError("no")

        with pytest.raises(UserError) as raised:
            agree(communicator, what)
        return type(raised.value)

    assert run_ranks(2, rank) == [AcmeError, UserError]


def test_signals_are_noted_and_handlers_come_back():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)]
    with Signals() as signals:
        os.kill(os.getpid(), signal.SIGTERM)
        assert signals.code == 143
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)] == before


def test_a_second_ctrl_c_interrupts():
    with Signals() as signals:
        os.kill(os.getpid(), signal.SIGINT)
        assert signals.code == 130
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_other_threads_leave_signals_alone():
    before = signal.getsignal(signal.SIGTERM)
    seen = []

    def work():
        with Signals():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]
