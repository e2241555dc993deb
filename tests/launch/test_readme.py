"""The examples of the package's README are commands that the launcher understands."""

import re
import shlex
from pathlib import Path

import pytest

import dtrain_launch
from dtrain_launch.parser import parser

TEXT = (Path(dtrain_launch.__file__).parents[1] / "README.md").read_text()
EXAMPLES = re.findall(r"^(?:\w+=\S+ )*dtrain launch (.*?)(?: > job)?(?:  +#.*)?$", TEXT, re.MULTILINE)


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_prints_a_command_or_a_job(example, fake, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hosts").write_text("node1 slots=8\nnode2:8\n")
    words = shlex.split(example)
    assert dtrain_launch.main(["--dry-run", "--mpirun", str(fake.write("")), *words]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    job = "--to" in words[: words.index("--")]
    assert out.count("\n") > 10 if job else out.count("\n") == 1
    assert shlex.join(words[words.index("--") + 1 :]) in out


def test_every_option_is_explained():
    options = [option for action in parser()._actions for option in action.option_strings if option != "-h"]
    assert len(EXAMPLES) > 10
    assert [option for option in options if f"`{option}" not in TEXT] == ["--help"]
