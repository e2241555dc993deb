"""What is known of a run by its folder."""

import re
from pathlib import Path

import pytest

from dtrain_launch.run import Run, run_of

SUMMARY, CONFIG = "summary.json", "config.toml"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(folder: Path, *names: str) -> Path:
    """The files anew, each aside and renamed, as the trainer writes them."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / "aside").write_text(name)
        (folder / "aside").replace(folder / name)
    return folder


def folder_of(*words: str) -> Path | None:
    with run_of(words) as run:
        return None if run is None else run.folder


@pytest.mark.parametrize("words", [["--out", "here"], ["--out=here"], ["--out", "there", "--out", "here"]])
def test_the_folder_is_the_one_that_the_command_names(words):
    with run_of(("train", "digits", *words)) as run:
        assert (run.folder, run.command) == (Path("here"), ("train", "digits", *words))
    assert not Path("here").exists()


@pytest.mark.parametrize(
    ("words", "name"),
    [([], "digits"), (["--set", "seed=3"], "digits"), (["lenet"], "lenet"), (["conf/mine.toml"], "mine")],
)
def test_a_command_that_names_none_gets_one_while_it_runs(words, name):
    with run_of(("train", *words)) as run:
        assert re.fullmatch(rf"runs/{name}-\d{{8}}-\d{{6}}", str(run.folder))
        assert run.command == ("train", *words, "--out", str(run.folder))
        assert run.folder.is_dir()
    assert not Path("runs").exists()


def test_what_a_run_has_left_in_it_stays():
    with run_of(("train",)) as run:
        written(run.folder, CONFIG)
    assert (run.folder / CONFIG).exists()


def test_two_jobs_of_the_same_second_take_two_folders(monkeypatch):
    monkeypatch.setattr("time.strftime", lambda form: "20260101-000000")
    with run_of(("train",)) as first, run_of(("train",)) as second:
        assert (first.folder.name, second.folder.name) == (
            "digits-20260101-000000",
            "digits-20260101-000000-2",
        )


def test_a_dry_run_makes_no_folder():
    with run_of(("train",), hold=False) as run:
        assert not run.folder.exists()


@pytest.mark.parametrize("there", ["file", "locked"])
def test_where_no_folder_can_be_made_the_trainer_is_to_say_so(there, monkeypatch):
    if there == "file":
        Path("runs").touch()
    else:
        monkeypatch.setattr(Path, "mkdir", lambda *_, **__: (_ for _ in ()).throw(PermissionError()))
    assert folder_of("train").parent == Path("runs")


@pytest.mark.parametrize(
    "command",
    [
        ("evaluate", "runs/x"),
        ("predict", "runs/x"),
        ("train", "--help"),
        ("train", "--resume"),
        ("train", "--out"),
        ("train", "digits", "lenet"),
    ],
)
def test_nothing_is_expected_of_a_command_that_trains_nothing_or_is_refused(command):
    assert folder_of(*command) is None


def test_a_run_has_ended_when_its_summary_is_written():
    run = Run(("train", "--out", "x"), Path("x"))
    assert (run.started, run.finished) == (False, False)
    written(run.folder, CONFIG)
    assert (run.started, run.finished) == (True, False)
    written(run.folder, SUMMARY)
    assert (run.started, run.finished) == (True, True)


def test_an_earlier_runs_files_are_no_sign():
    written(Path("x"), CONFIG, SUMMARY)
    run = Run(("train", "--overwrite", "--out", "x"), Path("x"))
    assert (run.started, run.finished) == (False, False)
    written(run.folder, CONFIG, SUMMARY)
    assert (run.started, run.finished) == (True, True)


def test_a_run_that_was_begun_is_gone_on_with():
    run = Run(("train", "digits", "--overwrite", "--out", "x"), Path("x"))
    assert run.again() == run.command
    written(run.folder, CONFIG)
    assert run.again() == ("train", "digits", "--out", "x", "--resume")


def test_a_run_that_goes_on_is_gone_on_with_by_the_same_command():
    run = Run(("train", "--resume", "--out", "x"), Path("x"))
    assert run.started
    assert run.again() == run.command


def test_the_newest_checkpoint_is_the_one_of_the_last_step():
    run = Run(("train",), Path("x"))
    assert run.checkpoint is None
    names = ["step-0000000900.safetensors", "step-0000001000.safetensors", "best.safetensors"]
    written(Path("x/checkpoints"), *names, ".step-0000002000.safetensors.tmp")
    assert run.checkpoint == Path("x/checkpoints/step-0000001000.safetensors")
