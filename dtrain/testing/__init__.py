"""Checks that a part keeps its contract on any number of ranks, before it meets a cluster.

::

    import pytest
    from dtrain.testing import checks, parametrize

    for id, check in checks("layers", Dense, units=3):     # a plain loop: a check raises Failure
        check()

    @pytest.mark.parametrize(**parametrize("layers", Dense, units=3))
    def test_dense(check):
        check()

No pytest is imported. What a part cannot fulfil it announces: `expected_failed_checks = {id: reason}`, an
attribute of the part or an argument; such a check passes when it fails, and fails when it passes. How the
checks build a part, and what they feed it, is said by its `examples`; see each contract.

checks, parametrize, run   the same checks, for a loop, for pytest, for `dtrain plugins check`
Check, Outcome, Failure    one of them; what came of it; what it raises
KEYS, IDS, ADVICE          keys of an example by kind; ids of all checks; ids that cost speed only
"""

from .failure import Failure
from .outcomes import Outcome, run
from .public import Check, checks, parametrize
from .subject import KEYS
from .table import ADVICE, IDS

__all__ = ["ADVICE", "IDS", "KEYS", "Check", "Failure", "Outcome", "checks", "parametrize", "run"]
