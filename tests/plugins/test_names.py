"""What `dtrain plugins list --json` says is offered is what the repository says, name by name."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from dtrain.cli.main import main
from dtrain.contracts import KINDS

LIST = Path(__file__).with_name("names.toml")


def difference(offered, listed):
    """Lines that say which names are on one side only; none when all is well."""
    lines = [f"{part} is in {LIST.name}, but no part of dtrain" for part in sorted(listed - offered)]
    return lines + [
        f"{part} is a part of dtrain, but not in {LIST.name}" for part in sorted(offered - listed)
    ]


def names_of(tables):
    return {f"{kind}.{name}" for kind, names in tables.items() for name in names}


def test_every_part_is_on_the_list_and_nothing_else(capfd):
    assert main(["plugins", "list", "--json"]) == 0
    rows = json.loads(capfd.readouterr().out)
    offered = {f"{row['kind']}.{row['name']}" for row in rows if row["distribution"] == "dtrain"}
    lines = difference(offered, names_of(tomllib.loads(LIST.read_text("utf-8"))))
    if lines:
        pytest.fail("\n".join(lines), pytrace=False)


def test_the_list_is_in_order_and_knows_no_other_kind():
    tables = tomllib.loads(LIST.read_text("utf-8"))
    assert tables.keys() <= KINDS.keys()
    for names in tables.values():
        assert names == sorted(set(names))


def test_a_difference_is_told_name_by_name():
    """The negative control."""
    listed = names_of({"layers": ["dense", "lost"], "losses": ["mse"]})
    assert difference({"layers.dense", "losses.mse", "losses.new"}, listed) == [
        "layers.lost is in names.toml, but no part of dtrain",
        "losses.new is a part of dtrain, but not in names.toml",
    ]
    assert difference(listed, listed) == []
