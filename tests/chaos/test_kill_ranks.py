"""The short form of `python -m tests.chaos.kill_ranks --runs 100`."""

from __future__ import annotations

import subprocess

import pytest

from tests.chaos.kill_ranks import command, main


def fault_tolerant() -> bool:
    """Whether the MPI beside this Python is one that can lose a rank."""
    try:
        answer = subprocess.run(
            [command(1, "", "")[0], "--version"], capture_output=True, text=True, check=False
        )
    except OSError:
        return False
    return "(Open MPI) 5" in answer.stdout


@pytest.mark.skipif(not fault_tolerant(), reason="only Open MPI 5 lets ranks go on when others die")
def test_runs_whose_ranks_are_killed_end_in_the_undisturbed_weights(capsys):
    assert main(["--runs", "4", "--seed", "2"]) == 0
    assert "4 of 4 runs ended in the undisturbed weights" in capsys.readouterr().out
