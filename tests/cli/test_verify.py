"""`dtrain verify`: exit codes, its table, JSON, and the README's section on it as it stands."""

from __future__ import annotations

import json
import os
import re
import shlex
from pathlib import Path

import pytest

from tests.verification.broken import CODE

README = Path(__file__).parents[2] / "README.md"
BLOCKS = dict(
    re.findall(r"^<!-- verify -->\n```(\w+)\n(.*?)^```$", README.read_text("utf-8"), re.MULTILINE | re.DOTALL)
)
CENTRE = ["--set", "network=[{name='centre'}, {name='dense', units=3}]"]


@pytest.fixture
def centre(place):
    """A plugin whose layers depend on the number of ranks."""
    place.site.install("acme-dtrain", "1.2", {"acme": "acme"}, acme=CODE)
    return place


def test_equal_is_0(place):
    ended = place.dtrain("verify", str(place.config), "-n", "1,2", "--steps", "3")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.splitlines()[-1] == "    2  equal, every bit"
    assert not Path("runs").exists()


def test_different_is_1_and_says_where_it_begins(centre):
    ended = centre.dtrain("verify", str(centre.config), "-n", "1,3", "--steps", "2", *CENTRE)
    assert (ended.code, ended.err) == (1, "")
    assert (
        "  begins with the output of layer 'centre_1' (layer 'centre' from plugin 'acme' 1.2 "
        "(distribution acme-dtrain)), whose input is the same: " in ended.out
    )


def test_the_json_holds_all_of_it(centre):
    ended = centre.dtrain("verify", str(centre.config), "-n", "1,2,3", "--steps", "2", "--json", *CENTRE)
    told = json.loads(ended.out)
    assert (ended.code, told["equal"], told["passed"], told["reference"]) == (1, False, False, 1)
    assert [outcome["ranks"] for outcome in told["outcomes"]] == [2, 3]
    difference = told["outcomes"][0]["difference"]
    assert difference["place"] == {"step": 1, "epoch": 1, "over": False}
    assert difference["tensor"].startswith("value/dense_1.")
    assert difference["size"]["count"] > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["-n", "1,x"],
            "dtrain: argument -n/--ranks: expected a whole number of at least 1, got 'x'; see `dtrain verify --help`\n",
        ),
        (
            ["-n", "3"],
            "dtrain: verify ranks: expected two numbers of ranks at least, such as 1,2,3, got [3]\n",
        ),
        (
            ["--tolerance", "0.1"],
            "dtrain: verify tolerance: expected none, for every bit has to be the same; only "
            'shards = "ranks" has one\n',
        ),
        (
            ["--threads", "--processes"],
            "dtrain: argument --processes: not allowed with argument --threads; see `dtrain verify --help`\n",
        ),
    ],
)
def test_a_mistake_is_2_and_one_line(arguments, message, place):
    ended = place.dtrain("verify", str(place.config), *arguments)
    assert (ended.code, ended.out, ended.err) == (2, "", message)


def test_it_is_refused_under_mpirun(place, monkeypatch):
    monkeypatch.setenv("OMPI_COMM_WORLD_RANK", "0")
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "2")
    ended = place.dtrain("verify", str(place.config))
    assert (ended.code, ended.err) == (
        2,
        "dtrain: verify: expected one process, which starts all ranks by itself, got mpirun; leave it out\n",
    )


def test_the_readme_does_what_it_says(dtrain):
    for line in BLOCKS["sh"].splitlines():
        words = shlex.split(line)[1:]
        ended = dtrain(*words, *([] if "--tolerance" in words else ["--steps", "2"]))
        assert ended.code == 0, ended.out + ended.err
    said = {}
    exec(BLOCKS["python"], said)
    assert said["found"].equal
    assert os.listdir() == []
