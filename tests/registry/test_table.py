from __future__ import annotations

import json

import pytest

from dtrain.errors import PluginError
from dtrain.registry import Entry, compare

ADAM = Entry("optimizers", "adam", "acme", "acme-dtrain", "1.2", replaces="dtrain-optimizers")
NEWER = Entry("optimizers", "adam", "acme", "acme-dtrain", "1.3")
DENSE = Entry("layers", "dense", "dtrain-layers", "dtrain", "0.1.0")


def test_an_entry_survives_json():
    assert json.loads(json.dumps(ADAM.as_dict())) == {
        "kind": "optimizers",
        "name": "adam",
        "plugin": "acme",
        "distribution": "acme-dtrain",
        "version": "1.2",
        "replaces": "dtrain-optimizers",
    }
    assert Entry.from_dict(json.loads(json.dumps(ADAM.as_dict()))) == ADAM


@pytest.mark.parametrize("ranks", [0, 1, 4])
def test_equal_tables_pass(ranks):
    compare([[ADAM, DENSE]] * ranks)


def test_another_version_is_named_with_its_ranks():
    with pytest.raises(PluginError) as caught:
        compare([[ADAM], [ADAM], [NEWER], [ADAM], [ADAM], [ADAM]])

    assert str(caught.value) == (
        "optimizers.adam differs between ranks: plugin 'acme' 1.2 (distribution acme-dtrain) on "
        "ranks 0-1, 3-5; plugin 'acme' 1.3 (distribution acme-dtrain) on rank 2; "
        "install the same plugins on every host"
    )


def test_a_missing_part_is_named_and_the_first_difference_is_the_one_told():
    with pytest.raises(PluginError) as caught:
        compare([[ADAM, DENSE], [], [NEWER, DENSE]])

    assert str(caught.value) == (
        "layers.dense differs between ranks: plugin 'dtrain-layers' 0.1.0 (distribution dtrain) on "
        "ranks 0, 2; missing on rank 1; install the same plugins on every host"
    )
