"""A config that is wrong somewhere is refused in one line, or runs; there is no third way, and nothing is left."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from dtrain.config.write import write as written
from tests.fuzz.configs import mutated
from tests.fuzz.support import LONG, examples, try_out


def test_a_config_with_wrong_places_is_refused_in_one_line_or_runs(dtrain):
    seen: Counter[str] = Counter()

    @examples(100)
    @given(mutated())
    def attempt(tables):
        Path("run.toml").write_text(tomli_w.dumps(tables), encoding="utf-8")
        seen[try_out(dtrain, "train", "run.toml")] += 1

    attempt()
    if LONG:
        print(dict(seen))
    assert seen["ran"] > 5  # what is right is still let through
    assert seen["refused"] > 5


def test_a_damaged_config_file_is_refused_in_one_line_or_runs(dtrain, config):
    text = written(config({"train.steps": 1, "train.epochs": 1})).encode()

    @examples(40)
    @given(st.integers(0, len(text)), st.integers(0, 9), st.binary(max_size=4))
    def attempt(at, cut, put):
        Path("run.toml").write_bytes(text[:at] + put + text[at + cut :])
        try_out(dtrain, "train", "run.toml", "--set", "train.steps=1")

    attempt()
