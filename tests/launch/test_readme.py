"""The examples of the package's README are commands that the launcher accepts."""

import re
import shlex
from pathlib import Path

import dtrain_launch
from dtrain_launch.arguments import read_arguments

README = Path(dtrain_launch.__file__).parents[1] / "README.md"


def test_every_example_is_accepted():
    examples = re.findall(r"^(?:\w+=\S+ )*dtrain launch (.*?)(?:  +#.*)?$", README.read_text(), re.MULTILINE)
    assert len(examples) >= 4
    for example in examples:
        if "--help" not in example:
            assert read_arguments(shlex.split(example)).ranks >= 1
