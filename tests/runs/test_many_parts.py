"""A run of many different parts at once ends in the same bits on any number of ranks."""

from __future__ import annotations

import copy

import pytest

from dtrain.communicator import run_ranks
from dtrain.config import load
from dtrain.config.overrides import override
from dtrain.trainer import train_session
from tests.many_parts import CONFIG, names_in, write_images
from tests.support import MEMORY


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    path = tmp_path_factory.mktemp("images") / "images.npz"
    write_images(path)
    return path


@pytest.fixture
def left(images, tmp_path):
    """left(ranks, {changes}) → all that a run leaves but its times."""

    def run(ranks, changes=None, share_memory=True):
        tables = copy.deepcopy(CONFIG)
        override(tables, {"data.path": str(images), **(changes or {})})
        out = tmp_path / f"run-{len(list(tmp_path.iterdir()))}"
        results = run_ranks(
            ranks, lambda communicator: train_session(lambda: load(tables), communicator, out), share_memory
        )
        summaries = [result.summary for result in results]
        kept = ("weights_sha256", "train", "validation", "epochs", "steps", "parameters", "shards")
        assert all(summary[key] == summaries[0][key] for summary in summaries for key in kept)
        return {key: summaries[0][key] for key in kept}

    return run


def test_there_are_many_parts():
    assert len(set(names_in(CONFIG))) >= 40


@MEMORY
def test_many_parts_at_once_end_in_the_same_bits_on_any_number_of_ranks(left, share_memory):
    whole = left(1)
    assert whole["shards"] == 8
    for ranks in (2, 3, 5) if share_memory else (3,):
        assert left(ranks, share_memory=share_memory) == whole


def test_what_is_compared_depends_on_the_seed_and_on_the_shards(left):
    whole = left(1)["weights_sha256"]
    assert left(1, {"seed": 1})["weights_sha256"] != whole
    assert left(3, {"train.shards": "ranks"})["weights_sha256"] != whole
