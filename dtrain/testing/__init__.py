"""Checks that a part keeps its contract on any number of ranks, before it meets a cluster.

A part, here one that forgets the rows of other ranks, and what the checks say of it:

>>> from dtrain import Layer
>>> from dtrain.testing import checks
>>> class Centre(Layer):
...     def forward(self, x, context):
...         n = max(len(x), 1)
...         return x - x.sum(axis=0) / n, lambda dy: dy - dy.sum(axis=0) / n
>>> found = {id: check.failure() for id, check in checks("layers", Centre)}
>>> [id for id, failure in found.items() if failure]
['split', 'inference', 'same_bits']
>>> "context.sum(x) instead of x.sum(axis=0)" in str(found["split"])
True

In a test suite, a test for each check::

    @pytest.mark.parametrize(**parametrize("layers", Centre))
    def test_centre(check):
        check()

No pytest is imported. What a part cannot fulfil it announces: `expected_failed_checks = {id: reason}`, an
attribute of the part or an argument; such a check passes when it fails, and fails when it passes. How the
checks build a part, and what they feed it, is said by its `examples`; see each contract.

checks, parametrize, run   the same checks, for a loop, for pytest, for `dtrain plugins check`
examples_of                further examples, from a config
Check, Outcome, Failure    one of them; what came of it; what it raises
KEYS, IDS, ADVICE          keys of an example by kind; ids of all checks; ids that cost speed only
"""

from .failure import Failure
from .from_config import examples_of
from .outcomes import Outcome, run
from .public import Check, checks, parametrize
from .subject import KEYS
from .table import ADVICE, IDS

__all__ = [
    "ADVICE",
    "IDS",
    "KEYS",
    "Check",
    "Failure",
    "Outcome",
    "checks",
    "examples_of",
    "parametrize",
    "run",
]
