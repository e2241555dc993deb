"""`dtrain plugins list`."""

from __future__ import annotations

import json

from dtrain.registry import Registry


def test_the_json_lists_every_part_with_its_origin(dtrain):
    ended = dtrain("plugins", "list", "--json")
    assert ended.code == 0
    rows = json.loads(ended.out)
    assert rows == [entry.as_dict() for entry in Registry.load().table()]
    assert {
        "kind": "layers",
        "name": "dense",
        "plugin": "dtrain-layers",
        "distribution": "dtrain",
        "version": "0.1.0",
        "replaces": None,
    } in rows


def test_the_table_has_a_line_a_part_in_columns(dtrain):
    ended = dtrain("plugins", "list")
    head, *lines = ended.out.splitlines()
    assert head.split() == ["KIND", "NAME", "PLUGIN", "DISTRIBUTION", "VERSION", "REPLACES"]
    assert len(lines) == len(Registry.load().table())
    assert ["layers", "dense", "dtrain-layers", "dtrain", "0.1.0", "-"] in [line.split() for line in lines]
    assert {line.index("dtrain-") for line in lines} == {head.index("PLUGIN")}
